// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/endpoint.h"
#include "sys/fd.h"

#include <cstdint>

namespace rk::relay {

/// Where an accepted connection goes on to: over a socket that is connected already, to an address
/// that is yet to be called, or nowhere.
struct Onward {
    sys::Fd connected;  // nonblocking; from now on paid for by the accepted connection
    model::Endpoint
        target;  // shown and logged; dialled from this process' own network namespace otherwise
    int refusal = 0;  // an errno: the client gets a reset
};

/// Decides it per connection, where a fixed target is not enough. Called by any worker, also by
/// several at once; must not wait. Outlives the relay.
class OnwardChooser {
 public:
    OnwardChooser() = default;
    OnwardChooser(const OnwardChooser&) = delete;
    OnwardChooser& operator=(const OnwardChooser&) = delete;
    OnwardChooser(OnwardChooser&&) = delete;
    OnwardChooser& operator=(OnwardChooser&&) = delete;
    virtual ~OnwardChooser() = default;

    /// `accepted` is the client's socket: its local address is what the client asked for with a
    /// transparent listener. `peer` is the client.
    [[nodiscard]] virtual Onward choose(sys::FdRef accepted, const model::Endpoint& peer,
                                        std::int64_t now) = 0;
};

}  // namespace rk::relay
