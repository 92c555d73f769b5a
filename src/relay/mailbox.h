// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "relay/port.h"
#include "relay/socket_address.h"
#include "sys/fd.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

namespace rk::relay {

/// Serve this port from now on.
struct AddCommand {
    std::shared_ptr<Port> port;
};
/// Close everything of an id; the last worker to do it reports to the first (RemovedCommand).
struct RemoveCommand {
    std::uint32_t id = 0;
    std::uint32_t request = 0;
    std::shared_ptr<std::atomic<unsigned>> left;
};
/// To the first worker: answer this request of the parent.
struct RemovedCommand {
    std::uint32_t request = 0;
};
/// A client accepted by a busier worker; its descriptors are already paid for.
struct AdoptCommand {
    std::shared_ptr<Port> port;
    sys::Fd client;
    model::Endpoint peer;
};
/// To the first worker: for the parent's log.
struct LogCommand {
    std::uint8_t level = 0;
    std::string text;
};
struct StopCommand {};

using Command =
    std::variant<AddCommand, RemoveCommand, RemovedCommand, AdoptCommand, LogCommand, StopCommand>;

/// Commands from other threads to one worker, in order. The worker polls fd().
class Mailbox {
 public:
    [[nodiscard]] static Result<std::unique_ptr<Mailbox>> create();

    void post(Command command);
    /// Everything posted so far.
    [[nodiscard]] std::vector<Command> take();
    [[nodiscard]] sys::FdRef fd() const { return event_; }

 private:
    explicit Mailbox(sys::Fd event) : event_(std::move(event)) {}

    sys::Fd event_;
    std::mutex mutex_;
    std::vector<Command> waiting_;
};

}  // namespace rk::relay
