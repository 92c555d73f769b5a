// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"

#include <chrono>
#include <string>
#include <string_view>

namespace rk::drivers {

/// What came of a request. An error has a code where a system call failed; ECONNREFUSED and ENOENT
/// say that no slirp4netns is there.
struct Slirp4netnsAnswer {
    Result<std::string> reply;
    /// It has got the request, so it may do as told even where there was no reply.
    bool received = false;
};

/// Asks slirp4netns on its API socket: a connection a request, ended on our side when all was sent,
/// the reply being what comes until its end. Takes no longer than `patience`, whatever it does.
[[nodiscard]] Slirp4netnsAnswer ask_slirp4netns(const std::string& socket_path,
                                                std::string_view request,
                                                std::chrono::milliseconds patience);

}  // namespace rk::drivers
