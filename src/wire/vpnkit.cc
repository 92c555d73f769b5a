// SPDX-License-Identifier: Apache-2.0
#include "wire/vpnkit.h"

#include "base/bytes.h"

#include <algorithm>

namespace rk::wire {

namespace {

constexpr std::string_view kMagic = "VMN3T";
constexpr std::uint32_t kVersion = 22;  // with a UUID and an answer to it
constexpr std::size_t kCommitBytes = 40;
constexpr std::size_t kUuidBytes = 36;
constexpr std::uint8_t kAnyAddress = 1;
constexpr std::uint8_t kMulticastBit = 0x01;  // of the first byte of a MAC address

}  // namespace

std::string encode_vpnkit_hello() {
    ByteWriter out;
    out.bytes(kMagic).u32(kVersion).bytes(std::string(kCommitBytes, '0'));
    return std::move(out).take();
}

bool is_vpnkit_hello(std::string_view bytes) {
    return bytes.size() == kVpnkitHelloBytes && bytes.starts_with(kMagic);
}

std::string uuid_text(std::array<std::uint8_t, 16> random) {
    random[6] = static_cast<std::uint8_t>((random[6] & 0x0fU) | 0x40U);  // version 4
    random[8] = static_cast<std::uint8_t>((random[8] & 0x3fU) | 0x80U);  // variant of the RFC
    std::string text;
    for (std::size_t i = 0; i < random.size(); ++i) {
        text += i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
        text += fmt::format("{:02x}", random.at(i));
    }
    return text;
}

std::string encode_vpnkit_request(std::string_view uuid) {
    std::string padded(uuid.substr(0, kUuidBytes));
    padded.resize(kUuidBytes);
    ByteWriter out;
    out.u8(kAnyAddress).bytes(padded).u32(0);
    return std::move(out).take();
}

Result<VpnkitInterface> decode_vpnkit_interface(std::string_view bytes) {
    ByteReader in(bytes);
    VpnkitInterface interface;
    interface.mtu = in.u16();
    interface.max_packet = in.u16();
    std::generate(interface.mac.begin(), interface.mac.end(), [&] { return in.u8(); });
    if (!in.ok() || bytes.size() != kVpnkitInterfaceBytes) {
        return fail("vpnkit: an interface of {} bytes", bytes.size());
    }
    if ((interface.mac[0] & kMulticastBit) != 0 || interface.mac == model::MacAddress{}) {
        return fail("vpnkit: no MAC address of a host");
    }
    return interface;
}

std::array<char, kVpnkitLengthBytes> vpnkit_length(std::size_t frame_bytes) {
    return {static_cast<char>(frame_bytes & 0xffU), static_cast<char>(frame_bytes >> 8U & 0xffU)};
}

std::optional<std::string_view> take_vpnkit_frame(std::string_view& stream) {
    ByteReader in(stream);
    const std::string_view frame = in.bytes(in.u16());
    if (!in.ok()) {
        return std::nullopt;
    }
    stream.remove_prefix(kVpnkitLengthBytes + frame.size());
    return frame;
}

}  // namespace rk::wire
