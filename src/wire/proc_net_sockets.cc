// SPDX-License-Identifier: Apache-2.0
//
//   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid ...
//    0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 ...
//
// An address is one or four 32-bit words, each as the kernel holds it in memory (so 127.0.0.1 has
// its bytes turned around on a little-endian machine), written as a number.
#include "wire/proc_net_sockets.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>

namespace rk::wire {

namespace {

// include/net/tcp_states.h; UDP shares the numbers.
constexpr std::uint32_t kListens = 0x0a;
constexpr std::uint32_t kHasNoPeer = 0x07;

constexpr std::size_t kWordDigits = 8;
constexpr std::size_t kIpv4Digits = kWordDigits;
constexpr std::size_t kIpv6Digits = 4 * kWordDigits;

std::optional<std::uint32_t> parse_word(std::string_view text) {
    const auto number = parse_hexadecimal(text, UINT32_MAX);
    if (!number) {
        return std::nullopt;
    }
    const auto word = static_cast<std::uint32_t>(*number);
    if (std::endian::native == std::endian::big) {
        return word;
    }
    return __builtin_bswap32(word);
}

std::optional<model::IpAddress> parse_address(std::string_view text) {
    if (text.size() == kIpv4Digits) {
        const auto word = parse_word(text);
        return word ? std::optional(model::IpAddress::v4(*word)) : std::nullopt;
    }
    if (text.size() != kIpv6Digits) {
        return std::nullopt;
    }
    std::array<std::uint8_t, 16> bytes{};
    for (std::size_t i = 0; i < bytes.size(); i += 4) {
        const auto word = parse_word(text.substr(2 * i, kWordDigits));
        if (!word) {
            return std::nullopt;
        }
        for (std::size_t k = 0; k < 4; ++k) {
            bytes.at(i + k) = static_cast<std::uint8_t>(*word >> (24 - 8 * k));
        }
    }
    return model::IpAddress(bytes);
}

// The first fields of a line; fewer where it has fewer.
std::array<std::string_view, 4> fields_of(std::string_view line) {
    std::array<std::string_view, 4> fields;
    std::size_t at = 0;
    for (std::string_view& field : fields) {
        at = std::min(line.find_first_not_of(' ', at), line.size());
        const std::size_t end = std::min(line.find(' ', at), line.size());
        field = line.substr(at, end - at);
        at = end;
    }
    return fields;
}

std::optional<model::Endpoint> parse_line(std::string_view line, std::uint32_t wanted_state) {
    const auto fields = fields_of(line);
    const std::string_view local = fields[1];
    const std::size_t colon = local.find(':');
    if (colon == std::string_view::npos || parse_hexadecimal(fields[3]) != wanted_state) {
        return std::nullopt;
    }
    const auto address = parse_address(local.substr(0, colon));
    const auto port = parse_hexadecimal(local.substr(colon + 1), UINT16_MAX);
    if (!address || !port) {
        return std::nullopt;
    }
    return model::Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

std::vector<model::Endpoint> waiting(std::string_view text, std::uint32_t wanted_state) {
    std::vector<model::Endpoint> found;
    for (const std::string_view line : split(text, '\n')) {
        if (const auto endpoint = parse_line(line, wanted_state)) {
            found.push_back(*endpoint);
        }
    }
    return found;
}

}  // namespace

std::vector<model::Endpoint> waiting_tcp(std::string_view text) {
    return waiting(text, kListens);
}

std::vector<model::Endpoint> waiting_udp(std::string_view text) {
    return waiting(text, kHasNoPeer);
}

}  // namespace rk::wire
