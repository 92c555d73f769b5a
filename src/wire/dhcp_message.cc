// SPDX-License-Identifier: Apache-2.0
#include "wire/dhcp_message.h"

#include "base/bytes.h"

#include <algorithm>
#include <array>
#include <bit>

namespace rk::wire {

namespace {

constexpr std::uint8_t kBootRequest = 1;
constexpr std::uint8_t kBootReply = 2;
constexpr std::uint8_t kEthernet = 1;  // hardware type
constexpr std::uint16_t kBroadcastFlag = 0x8000;
constexpr std::uint32_t kMagicCookie = 0x63825363;
constexpr std::size_t kHardwareField = 16;  // bytes of chaddr
constexpr std::size_t kServerNameBytes = 64;
constexpr std::size_t kBootFileBytes = 128;
constexpr std::size_t kSmallestMessage = 300;  // bytes: BOOTP's fixed size (RFC 951)

enum Option : std::uint8_t {
    kPad = 0,
    kMask = 1,
    kRouter = 3,
    kNameServer = 6,
    kInterfaceMtu = 26,
    kRequestedAddress = 50,
    kLeaseTime = 51,
    kOverload = 52,
    kMessageType = 53,
    kServerIdentifier = 54,
    kParameterList = 55,
    kMessage = 56,
    kRenewalTime = 58,
    kRebindingTime = 59,
    kEnd = 255,
};

constexpr auto kWanted = std::to_array<std::uint8_t>(
    {kMask, kRouter, kNameServer, kInterfaceMtu, kLeaseTime, kRenewalTime, kRebindingTime});

// Which of the two fields of the fixed part hold more options (option 52): bits.
constexpr std::uint8_t kInBootFile = 1;
constexpr std::uint8_t kInServerName = 2;

std::uint32_t v4_or_zero(const std::optional<model::IpAddress>& address) {
    return address ? address->to_v4() : 0;
}

void put_address(ByteWriter& out, std::uint8_t option,
                 const std::optional<model::IpAddress>& address) {
    if (address) {
        out.u8(option).u8(4).be32(address->to_v4());
    }
}

void put_options(ByteWriter& out, const DhcpQuery& query) {
    out.be32(kMagicCookie);
    out.u8(kMessageType).u8(1).u8(static_cast<std::uint8_t>(query.type));
    put_address(out, kRequestedAddress, query.requested);
    put_address(out, kServerIdentifier, query.server);
    out.u8(kParameterList).u8(static_cast<std::uint8_t>(kWanted.size()));
    for (const std::uint8_t option : kWanted) {
        out.u8(option);
    }
    out.u8(kEnd);
}

// The options of a reply while they are read. An option may come in several pieces, which are put
// together (RFC 3396): the lists simply grow; for the others the last one counts.
class Options {
 public:
    explicit Options(DhcpReply& reply) : reply_(reply) {}

    // One field with options. False where it is malformed.
    bool take(std::string_view field) {
        ByteReader in(field);
        while (in.ok() && !in.at_end()) {
            const std::uint8_t option = in.u8();
            if (option == kEnd) {
                return true;
            }
            if (option != kPad && !take_one(option, in.bytes(in.u8()))) {
                return false;
            }
        }
        return in.ok();
    }

    [[nodiscard]] bool has_type() const { return has_type_; }
    [[nodiscard]] std::uint8_t overload() const { return overload_; }

 private:
    bool take_one(std::uint8_t option, std::string_view value) {
        switch (option) {
            case kMask:
                return take_mask(value);
            case kRouter:
                return take_list(value, reply_.routers);
            case kNameServer:
                return take_list(value, reply_.dns);
            case kServerIdentifier:
                return take_server(value);
            case kInterfaceMtu:
                return take_mtu(value);
            case kLeaseTime:
                return take_seconds(value, reply_.lease_seconds);
            case kRenewalTime:
                return take_seconds(value, reply_.renewal_seconds);
            case kRebindingTime:
                return take_seconds(value, reply_.rebinding_seconds);
            case kMessageType:
                return take_type(value);
            case kOverload:
                return take_byte(value, overload_);
            case kMessage:
                reply_.message += value;
                return true;
            default:
                return true;
        }
    }

    static bool take_byte(std::string_view value, std::uint8_t& to) {
        ByteReader in(value);
        to = in.u8();
        return in.ok() && in.at_end();
    }

    bool take_type(std::string_view value) {
        std::uint8_t type = 0;
        has_type_ = take_byte(value, type);
        reply_.type = static_cast<DhcpType>(type);
        return has_type_ && (reply_.type == DhcpType::kOffer || reply_.type == DhcpType::kAck ||
                             reply_.type == DhcpType::kNak);
    }

    bool take_mask(std::string_view value) {
        ByteReader in(value);
        const std::uint32_t mask = in.be32();
        reply_.prefix = static_cast<std::uint8_t>(std::countl_one(mask));
        return in.ok() && in.at_end() && std::popcount(mask) == std::countl_one(mask);
    }

    static bool take_list(std::string_view value, std::vector<model::IpAddress>& list) {
        ByteReader in(value);
        while (in.ok() && !in.at_end()) {
            list.push_back(model::IpAddress::v4(in.be32()));
        }
        return in.ok() && !value.empty();
    }

    bool take_server(std::string_view value) {
        ByteReader in(value);
        reply_.server = model::IpAddress::v4(in.be32());
        return in.ok() && in.at_end();
    }

    bool take_mtu(std::string_view value) {
        ByteReader in(value);
        reply_.mtu = in.be16();
        return in.ok() && in.at_end();
    }

    static bool take_seconds(std::string_view value, std::optional<std::uint32_t>& to) {
        ByteReader in(value);
        to = in.be32();
        return in.ok() && in.at_end();
    }

    DhcpReply& reply_;
    bool has_type_ = false;
    std::uint8_t overload_ = 0;
};

// The fixed part up to the hardware address. False where it is no reply of a server to Ethernet.
bool take_fixed(ByteReader& in, DhcpReply& reply) {
    const std::uint8_t operation = in.u8();
    const std::uint8_t hardware_type = in.u8();
    const std::uint8_t hardware_length = in.u8();
    static_cast<void>(in.u8());  // hops
    reply.transaction = in.be32();
    static_cast<void>(in.be32());  // seconds, flags
    static_cast<void>(in.be32());  // the client's address as the client told it
    reply.your_address = model::IpAddress::v4(in.be32());
    static_cast<void>(in.be32());  // next server
    static_cast<void>(in.be32());  // relay agent
    std::generate(reply.client.begin(), reply.client.end(), [&] { return in.u8(); });
    static_cast<void>(in.bytes(kHardwareField - reply.client.size()));
    return in.ok() && operation == kBootReply && hardware_type == kEthernet &&
           hardware_length == reply.client.size();
}

}  // namespace

std::string encode_dhcp(const DhcpQuery& query) {
    ByteWriter out;
    out.u8(kBootRequest).u8(kEthernet).u8(static_cast<std::uint8_t>(query.client.size())).u8(0);
    out.be32(query.transaction).be16(0).be16(query.broadcast ? kBroadcastFlag : 0);
    out.be32(v4_or_zero(query.client_address)).be32(0).be32(0).be32(0);
    for (const std::uint8_t byte : query.client) {
        out.u8(byte);
    }
    out.bytes(std::string(kHardwareField - query.client.size(), '\0'));
    out.bytes(std::string(kServerNameBytes + kBootFileBytes, '\0'));
    put_options(out, query);
    std::string message = std::move(out).take();
    message.resize(std::max(message.size(), kSmallestMessage));
    return message;
}

Result<DhcpReply> decode_dhcp(std::string_view payload) {
    ByteReader in(payload);
    DhcpReply reply;
    if (!take_fixed(in, reply)) {
        return fail("not a reply of a DHCP server");
    }
    const std::string_view server_name = in.bytes(kServerNameBytes);
    const std::string_view boot_file = in.bytes(kBootFileBytes);
    if (in.be32() != kMagicCookie || !in.ok()) {
        return fail("DHCP reply without options");
    }
    Options options(reply);
    bool sound = options.take(in.bytes(in.left()));
    const std::uint8_t more = options.overload();
    sound = sound && ((more & kInBootFile) == 0 || options.take(boot_file));
    sound = sound && ((more & kInServerName) == 0 || options.take(server_name));
    if (!sound || !options.has_type()) {
        return fail("DHCP reply with malformed options");
    }
    return reply;
}

}  // namespace rk::wire
