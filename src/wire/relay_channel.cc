// SPDX-License-Identifier: Apache-2.0
#include "wire/relay_channel.h"

#include "base/bytes.h"

#include <algorithm>
#include <array>
#include <utility>

namespace rk::wire {

namespace {

// The first byte of every packet: the alternative's place in RelayMessage, plus one.
enum class Kind : std::uint8_t {
    kAddPort = 1,
    kRemovePort,
    kGetStats,
    kDone,
    kStats,
    kLogLine,
    kTell,
};

// Longer texts are cut: a packet must fit one send.
constexpr std::size_t kMaxText = 4096;
// "All counters of a port", 8 bytes each, and its ID.
constexpr std::size_t kPortBytes = 4 + 7 * 8;
constexpr std::size_t kHealthBytes = 1 + 4 + 5 * 8;
static_assert(16 + kHealthBytes + (kPortsPerStats + kMaxLocalPorts) * kPortBytes + kMaxExtraStats <=
              kMaxRelayPacket);
static_assert(16 + kMaxTell <= kMaxRelayPacket);

struct Encoder {
    ByteWriter& out;

    ByteWriter& begin(Kind kind, std::uint32_t request) const {
        return out.u8(static_cast<std::uint8_t>(kind)).u32(request);
    }
    void operator()(const AddPort& message) const {
        begin(Kind::kAddPort, message.request).u32(message.id);
        out.u8(static_cast<std::uint8_t>(message.transport));
        put(message.target);
        flag(message.transparent).u8(static_cast<std::uint8_t>(message.origin));
        flag(message.fallback.has_value());
        if (message.fallback) {
            put(*message.fallback);
        }
        flag(message.fallback_transparent);
    }
    void operator()(const RemovePort& message) const {
        begin(Kind::kRemovePort, message.request).u32(message.id);
    }
    void operator()(const GetStats& message) const { begin(Kind::kGetStats, message.request); }
    void operator()(const Done& message) const {
        begin(Kind::kDone, message.request).u32(message.code);
        out.bytes(std::string_view(message.message).substr(0, kMaxText));
    }
    void operator()(const Stats& message) const {
        begin(Kind::kStats, message.request);
        flag(message.more);
        const model::RelayHealth& health = message.health;
        flag(health.running).u32(static_cast<std::uint32_t>(health.pid));
        out.u64(health.restarts).u64(health.open_connections).u64(health.udp_flows);
        out.u64(health.open_fds).u64(health.fd_limit);
        put(message.ports, kPortsPerStats);
        put(message.local_ports, kMaxLocalPorts);
        out.bytes(std::string_view(message.extra).substr(0, kMaxExtraStats));
    }
    ByteWriter& flag(bool value) const { return out.u8(value ? 1 : 0); }
    void put(const model::Endpoint& endpoint) const {
        for (const std::uint8_t byte : endpoint.address.bytes()) {
            out.u8(byte);
        }
        out.u16(endpoint.port);
    }
    void put(const std::vector<model::PortCounters>& ports, std::size_t most) const {
        const std::size_t count = std::min(ports.size(), most);
        out.u8(static_cast<std::uint8_t>(count));
        for (std::size_t i = 0; i < count; ++i) {
            put(ports[i]);
        }
    }
    void put(const model::PortCounters& port) const {
        out.u32(static_cast<std::uint32_t>(port.id));
        out.u64(port.accepted).u64(port.active).u64(port.refused).u64(port.errors);
        out.u64(port.bytes_in).u64(port.bytes_out).u64(port.dropped);
    }
    void operator()(const LogLine& message) const {
        out.u8(static_cast<std::uint8_t>(Kind::kLogLine)).u8(message.level);
        out.bytes(std::string_view(message.text).substr(0, kMaxText));
    }
    void operator()(const Tell& message) const {
        begin(Kind::kTell, message.request);
        out.bytes(std::string_view(message.text).substr(0, kMaxTell));
    }
};

// Flags are 0 or 1; anything else is no packet of ours.
bool take_flag(ByteReader& in, bool& valid) {
    const std::uint8_t value = in.u8();
    valid = valid && value <= 1;
    return value == 1;
}

// IDs and PIDs are int in the model and never negative.
int take_int(ByteReader& in, bool& valid) {
    const std::uint32_t value = in.u32();
    valid = valid && std::in_range<int>(value);
    return static_cast<int>(value);
}

model::PortCounters take_counters(ByteReader& in, bool& valid) {
    model::PortCounters port;
    port.id = take_int(in, valid);
    port.accepted = in.u64();
    port.active = in.u64();
    port.refused = in.u64();
    port.errors = in.u64();
    port.bytes_in = in.u64();
    port.bytes_out = in.u64();
    port.dropped = in.u64();
    return port;
}

model::RelayHealth take_health(ByteReader& in, bool& valid) {
    model::RelayHealth health;
    health.running = take_flag(in, valid);
    health.pid = take_int(in, valid);
    health.restarts = in.u64();
    health.open_connections = in.u64();
    health.udp_flows = in.u64();
    health.open_fds = in.u64();
    health.fd_limit = in.u64();
    return health;
}

model::Endpoint take_endpoint(ByteReader& in) {
    std::array<std::uint8_t, 16> address{};
    std::generate(address.begin(), address.end(), [&] { return in.u8(); });
    return {.address = model::IpAddress(address), .port = in.u16()};
}

AddPort take_add_port(ByteReader& in, bool& valid) {
    AddPort message;
    message.request = in.u32();
    message.id = in.u32();
    const std::uint8_t transport = in.u8();
    valid = valid && (transport == 1 || transport == 2);
    message.transport = transport == 1 ? Transport::kTcp : Transport::kUdp;
    message.target = take_endpoint(in);
    message.transparent = take_flag(in, valid);
    message.origin = take_flag(in, valid) ? Origin::kGateway : Origin::kInside;
    if (take_flag(in, valid)) {
        message.fallback = take_endpoint(in);
    }
    message.fallback_transparent = take_flag(in, valid);
    return message;
}

std::vector<model::PortCounters> take_ports(ByteReader& in, bool& valid, std::size_t most) {
    std::vector<model::PortCounters> ports;
    const std::size_t count = in.u8();
    valid = valid && count <= most;
    while (valid && in.ok() && ports.size() < count) {
        ports.push_back(take_counters(in, valid));
    }
    return ports;
}

Stats take_stats(ByteReader& in, bool& valid) {
    Stats message;
    message.request = in.u32();
    message.more = take_flag(in, valid);
    message.health = take_health(in, valid);
    message.ports = take_ports(in, valid, kPortsPerStats);
    message.local_ports = take_ports(in, valid, kMaxLocalPorts);
    valid = valid && in.left() <= kMaxExtraStats;
    message.extra = in.bytes(in.left());
    return message;
}

Tell take_tell(ByteReader& in, bool& valid) {
    Tell message;
    message.request = in.u32();
    valid = valid && in.left() <= kMaxTell;
    message.text = in.bytes(in.left());
    return message;
}

Done take_done(ByteReader& in, bool& valid) {
    Done message;
    message.request = in.u32();
    message.code = in.u32();
    valid = valid && std::in_range<int>(message.code) && in.left() <= kMaxText;
    message.message = in.bytes(in.left());
    return message;
}

LogLine take_log_line(ByteReader& in, bool& valid) {
    LogLine message;
    message.level = in.u8();
    valid = valid && message.level <= 3 && in.left() <= kMaxText;  // LogLevel has four values
    message.text = in.bytes(in.left());
    return message;
}

RelayMessage take_message(Kind kind, ByteReader& in, bool& valid) {
    switch (kind) {
        case Kind::kAddPort:
            return take_add_port(in, valid);
        case Kind::kRemovePort: {
            const std::uint32_t request = in.u32();
            return RemovePort{request, in.u32()};
        }
        case Kind::kGetStats:
            return GetStats{in.u32()};
        case Kind::kDone:
            return take_done(in, valid);
        case Kind::kStats:
            return take_stats(in, valid);
        case Kind::kLogLine:
            return take_log_line(in, valid);
        case Kind::kTell:
            return take_tell(in, valid);
    }
    valid = false;
    return GetStats{};
}

}  // namespace

std::string encode(const RelayMessage& message) {
    ByteWriter out;
    std::visit(Encoder{out}, message);
    return std::move(out).take();
}

Result<RelayMessage> decode_relay(std::string_view packet) {
    if (packet.size() > kMaxRelayPacket) {
        return fail("relay channel: a packet of {} bytes", packet.size());
    }
    ByteReader in(packet);
    const std::uint8_t kind = in.u8();
    bool valid = true;
    RelayMessage message = take_message(static_cast<Kind>(kind), in, valid);
    if (!valid || !in.ok() || !in.at_end()) {
        return fail("relay channel: malformed packet of kind {}", kind);
    }
    return message;
}

}  // namespace rk::wire
