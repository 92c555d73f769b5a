// SPDX-License-Identifier: Apache-2.0
#include "wire/handshake.h"

#include "base/bytes.h"

#include <algorithm>
#include <array>

namespace rk::wire {

namespace {

// Longer error texts are cut: a packet must fit one send.
constexpr std::size_t kMaxMessageText = kMaxHandshakeBytes - 64;

constexpr int kHighestSignal = 64;

// A resolver uses three.
constexpr std::size_t kMaxNameServers = 16;
constexpr std::size_t kMaxDeviceName = 15;  // IFNAMSIZ without its final zero
constexpr std::uint8_t kMaxPrefix = 32;
// More than drivers/port/inherited.h looks at.
constexpr std::size_t kMaxWithheld = 1024;

void encode_address(ByteWriter& out, const model::IpAddress& address) {
    for (const std::uint8_t byte : address.bytes()) {
        out.u8(byte);
    }
}

model::IpAddress decode_address(ByteReader& in) {
    std::array<std::uint8_t, 16> bytes{};
    for (std::uint8_t& byte : bytes) {
        byte = in.u8();
    }
    return model::IpAddress(bytes);
}

void encode_network(ByteWriter& out, const model::NetworkSetup& network) {
    out.text(network.device);
    encode_address(out, network.address);
    out.u8(network.prefix);
    encode_address(out, network.gateway);
    const std::size_t servers = std::min(network.dns.size(), kMaxNameServers);
    out.u8(static_cast<std::uint8_t>(servers));
    for (std::size_t i = 0; i < servers; ++i) {
        encode_address(out, network.dns[i]);
    }
    out.u32(network.mtu).u8(network.ipv6 ? 1 : 0).u8(network.configured_by_child ? 1 : 0);
    out.u8(network.dhcp ? 1 : 0);
}

Result<model::NetworkSetup> decode_network(ByteReader& in) {
    model::NetworkSetup network;
    network.device = std::string(in.text());
    network.address = decode_address(in);
    network.prefix = in.u8();
    network.gateway = decode_address(in);
    const std::uint8_t servers = in.u8();
    for (std::uint8_t i = 0; i < servers && in.ok(); ++i) {
        network.dns.push_back(decode_address(in));
    }
    network.mtu = in.u32();
    network.ipv6 = in.u8() != 0;
    network.configured_by_child = in.u8() != 0;
    network.dhcp = in.u8() != 0;
    const bool named = !network.device.empty() && network.device.size() <= kMaxDeviceName;
    if (!in.ok() || !named || network.prefix > kMaxPrefix || servers > kMaxNameServers) {
        return fail("malformed network");
    }
    return network;
}

struct Encoder {
    ByteWriter& out;

    void kind(MessageKind value) const { out.u8(static_cast<std::uint8_t>(value)); }

    void operator()(const IdMapDone& /*message*/) const { kind(MessageKind::kIdMapDone); }
    void operator()(const ChildConfig& message) const {
        kind(MessageKind::kChildConfig);
        out.u64(message.signal_mask);
        out.u8(message.sigchld_ignored ? 1 : 0).u8(message.activated ? 1 : 0);
    }
    void operator()(const NamespacesReady& /*message*/) const {
        kind(MessageKind::kNamespacesReady);
    }
    void operator()(const ParentReady& message) const {
        kind(MessageKind::kParentReady);
        out.u8(message.network ? 1 : 0);
        if (message.network) {
            encode_network(out, *message.network);
        }
    }
    void operator()(const SetUpDone& /*message*/) const { kind(MessageKind::kSetUpDone); }
    void operator()(const StartCommand& message) const {
        kind(MessageKind::kStartCommand);
        const std::size_t count = std::min(message.withheld.size(), kMaxWithheld);
        for (std::size_t i = 0; i < count; ++i) {
            out.u16(message.withheld[i]);
        }
    }
    void operator()(const ForwardSignal& message) const {
        kind(MessageKind::kForwardSignal);
        out.u8(message.signal_number).u8(message.from_terminal ? 1 : 0).u32(message.stops);
    }
    void operator()(const CommandStopped& message) const {
        kind(MessageKind::kCommandStopped);
        out.u8(message.signal_number);
    }
    void operator()(const SetUpFailed& message) const {
        kind(MessageKind::kSetUpFailed);
        out.u8(static_cast<std::uint8_t>(message.step)).u32(message.code);
        out.bytes(std::string_view(message.message).substr(0, kMaxMessageText));
    }
};

bool valid_signal(std::uint8_t number) {
    return number >= 1 && number <= kHighestSignal;
}

bool valid_step(std::uint8_t step) {
    return step >= static_cast<std::uint8_t>(ChildStep::kExec) &&
           step <= static_cast<std::uint8_t>(ChildStep::kCommand);
}

Result<Message> decode_failure(ByteReader& in) {
    const std::uint8_t step = in.u8();
    SetUpFailed failed;
    failed.code = in.u32();
    failed.message = std::string(in.bytes(in.left()));
    if (!in.ok() || !valid_step(step)) {
        return fail("malformed failure report");
    }
    failed.step = static_cast<ChildStep>(step);
    return Message(std::move(failed));
}

Result<Message> decode_ready(ByteReader& in) {
    ParentReady ready;
    if (in.u8() != 0) {
        ready.network = TRY(decode_network(in));
    }
    return Message(std::move(ready));
}

Result<Message> decode_start(ByteReader& in) {
    StartCommand start;
    if (in.left() / sizeof(std::uint16_t) > kMaxWithheld) {
        return fail("too many withheld sockets");
    }
    while (!in.at_end()) {
        start.withheld.push_back(in.u16());
    }
    return Message(std::move(start));
}

Result<Message> decode_body(MessageKind kind, ByteReader& in) {
    switch (kind) {
        case MessageKind::kIdMapDone:
            return Message(IdMapDone{});
        case MessageKind::kChildConfig: {
            ChildConfig config;
            config.signal_mask = in.u64();
            config.sigchld_ignored = in.u8() != 0;
            config.activated = in.u8() != 0;
            return Message(config);
        }
        case MessageKind::kNamespacesReady:
            return Message(NamespacesReady{});
        case MessageKind::kParentReady:
            return decode_ready(in);
        case MessageKind::kSetUpDone:
            return Message(SetUpDone{});
        case MessageKind::kStartCommand:
            return decode_start(in);
        case MessageKind::kForwardSignal: {
            const std::uint8_t number = in.u8();
            const bool from_terminal = in.u8() != 0;
            const std::uint32_t stops = in.u32();
            if (!valid_signal(number)) {
                return fail("signal number {} out of range", number);
            }
            return Message(ForwardSignal{number, from_terminal, stops});
        }
        case MessageKind::kCommandStopped: {
            const std::uint8_t number = in.u8();
            if (!valid_signal(number)) {
                return fail("signal number {} out of range", number);
            }
            return Message(CommandStopped{number});
        }
        case MessageKind::kSetUpFailed:
            return decode_failure(in);
    }
    return fail("unknown message kind {}", static_cast<unsigned>(kind));
}

}  // namespace

std::string encode(const Message& message) {
    ByteWriter out;
    std::visit(Encoder{out}, message);
    return std::move(out).take();
}

Result<Message> decode(std::string_view packet) {
    ByteReader in(packet);
    const auto kind = static_cast<MessageKind>(in.u8());
    Message message = TRY(decode_body(kind, in));
    if (!in.ok() || !in.at_end()) {
        return fail("message of kind {} has the wrong length", static_cast<unsigned>(kind));
    }
    return message;
}

}  // namespace rk::wire
