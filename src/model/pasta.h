// SPDX-License-Identifier: Apache-2.0
//
// What the network driver pasta and the port driver pesto have to agree on.
#pragma once

#include <string_view>

namespace rk::model {

/// pasta's addresses with --ipv6.
struct PastaIpv6 {
    std::string_view address;
    std::string_view gateway;
    std::string_view name_server;
};
inline constexpr PastaIpv6 kPastaIpv6{"fd00::100", "fd00::2", "fd00::3"};

/// Its control socket, in the state directory. No longer than "api.sock", for which --state-dir
/// leaves room.
inline constexpr std::string_view kPastaControlSocket = ".pa.sock";

}  // namespace rk::model
