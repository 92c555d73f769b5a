// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "relay/channel_server.h"
#include "relay/guest.h"
#include "relay/mailbox.h"
#include "relay/poller.h"
#include "relay/shared.h"
#include "relay/tcp_engine.h"
#include "relay/udp_engine.h"

#include <cstdint>
#include <memory>

namespace rk::relay {

/// One thread of the relay: an epoll loop over its part of the sockets. The first worker also
/// serves the parent.
class Worker {
 public:
    /// `channel` only for the first worker.
    Worker(Shared& shared, Poller poller, unsigned number, ChannelServer* channel);

    /// Registers mailbox and channel, and makes the guest where there is a maker.
    [[nodiscard]] Result<void> prepare(const GuestMaker& make_guest);
    /// Until a StopCommand or, in the first worker, the end of the channel.
    [[nodiscard]] Result<void> run();

 private:
    [[nodiscard]] int timeout() const;
    void dispatch(const epoll_event& event);
    void obey();
    void obey(AddCommand&& command);
    void obey(RemoveCommand&& command);
    void obey(RemovedCommand&& command);
    void obey(AdoptCommand&& command);
    void obey(LogCommand&& command);
    void obey(StopCommand&& command);

    Shared& shared_;
    Poller poller_;
    unsigned number_;
    ChannelServer* channel_;
    TcpEngine tcp_;
    UdpEngine udp_;
    std::unique_ptr<Guest> guest_;  // may be empty
    std::int64_t now_ = 0;
    bool stopped_ = false;
};

}  // namespace rk::relay
