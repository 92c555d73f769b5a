// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "model/endpoint.h"
#include "sys/fd.h"
#include "wire/relay_channel.h"

#include <functional>
#include <memory>

namespace rk::relay {

class Budget;

/// Where sockets of a network namespace come from. Called by any worker, also by several at once.
class SocketSource {
 public:
    SocketSource() = default;
    SocketSource(const SocketSource&) = delete;
    SocketSource& operator=(const SocketSource&) = delete;
    SocketSource(SocketSource&&) = delete;
    SocketSource& operator=(SocketSource&&) = delete;
    virtual ~SocketSource() = default;

    /// A nonblocking, unbound socket; empty on failure, with the reason in errno. The caller has
    /// paid for the descriptor.
    [[nodiscard]] virtual sys::Fd take(wire::Transport transport, int family) = 0;

    /// From now on idle sockets are paid for out of `fds`, until detach().
    virtual void attach(Budget& /*fds*/) {}
    virtual void detach() {}
    /// Closes what is idle, where descriptors have run out.
    virtual void shrink() {}
    /// Runs `work` where the sockets come from; in the calling thread unless there is another.
    [[nodiscard]] virtual Result<void> perform(const std::function<Result<void>()>& work) {
        return work();
    }
};

/// Sockets of the calling thread's network namespace.
class DirectSource final : public SocketSource {
 public:
    [[nodiscard]] sys::Fd take(wire::Transport transport, int family) override;
};

/// The network namespaces a relay has sockets of.
struct SocketSources {
    /// Of the child. Empty: the relay is in the child's network namespace itself.
    std::shared_ptr<SocketSource> child;
    /// Of the gateway (transparent sockets). Empty: there is none.
    std::shared_ptr<SocketSource> gateway;
    /// The gateway's own addresses as the child knows it; unspecified: the kernel chooses.
    model::IpAddress gateway_v4;
    model::IpAddress gateway_v6;
    /// The child's IPv6 address as the gateway calls it; unspecified: there is none.
    model::IpAddress child_v6;

    /// The gateway's address that is of the same family.
    [[nodiscard]] const model::IpAddress& gateway_address(const model::IpAddress& like) const {
        return like.is_v4() ? gateway_v4 : gateway_v6;
    }
    template <typename Function>
    void each(const Function& function) const {
        for (SocketSource* source : {child.get(), gateway.get()}) {
            if (source != nullptr) {
                function(*source);
            }
        }
    }
};

/// A new socket of the calling thread's network namespace: nonblocking, close-on-exec.
[[nodiscard]] sys::Fd open_socket(wire::Transport transport, int family);

}  // namespace rk::relay
