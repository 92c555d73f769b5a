// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drivers/network/dhcp_keeper.h"
#include "launch/channel.h"
#include "model/options.h"
#include "sys/environment.h"
#include "wire/handshake.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace rk::launch {

/// The channel's number, if this process was started as the child: the variable is there and names
/// a seqpacket socket. Anything else is somebody's stray variable.
[[nodiscard]] std::optional<Channel> adopt_child_channel(const sys::Environment& environment);

/// The child: root of the new namespaces. Sets them up, then is the command's init.
class Child {
 public:
    Child(model::Options options, sys::Environment environment, const Logger& log, Channel channel);

    /// Runs to the command's end and returns the exit code; prints its own errors.
    [[nodiscard]] int run();

 private:
    [[nodiscard]] Result<void> set_up();
    [[nodiscard]] static Result<void> check_capabilities();
    [[nodiscard]] Result<void> prepare_namespaces();
    [[nodiscard]] Result<void> mount_everything();
    [[nodiscard]] Result<void> configure_network(const wire::ParentReady& ready);
    [[nodiscard]] Result<int> run_command();

    [[nodiscard]] std::string state_dir() const;
    /// The next message, which must be of this kind.
    template <typename T>
    [[nodiscard]] Result<T> expect();
    /// Tells the parent where and why, then hands the error on.
    [[nodiscard]] Result<void> at(wire::ChildStep step, Result<void> result);

    model::Options options_;
    sys::Environment environment_;
    const Logger& log_;
    Channel channel_;
    wire::ChildConfig config_;
    wire::StartCommand start_;
    std::unique_ptr<drivers::DhcpKeeper> dhcp_;  // null where the address is fixed
};

}  // namespace rk::launch
