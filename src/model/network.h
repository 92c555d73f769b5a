// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace rk::model {

/// Values of --net.
enum class NetworkDriver {
    kHost,
    kNone,
    kBuiltin,
    kPasta,
    kSlirp4netns,
    kVpnkit,
    kLxcUserNic,
    kGvisorTapVsock
};

/// Values of --port-driver.
enum class PortDriver { kNone, kImplicit, kBuiltin, kSlirp4netns, kGvisorTapVsock, kPesto };

/// Values of --slirp4netns-sandbox and --slirp4netns-seccomp. kAuto: where it is supported.
enum class ToggleMode { kOff, kOn, kAuto };

/// Values of --source-ip-transparent-backend.
enum class SourceIpBackend { kAuto, kNft, kIptables };

/// An IPv4 network in host byte order; host bits are zero, prefix is 0..32.
struct Ipv4Network {
    std::uint32_t address = 0;
    std::uint8_t prefix = 0;
};

}  // namespace rk::model
