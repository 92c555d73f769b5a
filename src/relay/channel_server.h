// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The parent's requests, served by the first worker between two batches of events. Ports live here
// as a list by id; the workers learn of them through their mailboxes. RemovePort is answered when
// every worker has closed its part, all others at once.
//
// Answers never make the data plane wait: what the parent does not read is queued, and past a bound
// its requests are no longer read; log lines are then thrown away.
#pragma once

#include "base/result.h"
#include "relay/parts.h"
#include "relay/shared.h"
#include "sys/fd.h"
#include "sys/seqpacket.h"
#include "wire/relay_channel.h"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace rk::relay {

/// Readies the socket of a port for the workers: nonblocking, options, its family.
void prepare_port(Port& port);

class ChannelServer {
 public:
    /// `parts` outlive the server; their local ports have totals by now.
    ChannelServer(Shared& shared, const RelayParts& parts, sys::Fd channel);

    [[nodiscard]] sys::FdRef fd() const { return channel_; }
    /// Reads and serves what is there.
    void on_request();
    /// Sends what is queued as far as it goes.
    void flush();
    /// When flush() wants to try again (milliseconds of now_ms()), or -1.
    [[nodiscard]] std::int64_t next_due() const { return retry_ms_; }

    /// Every worker has closed what the request named.
    void removed(std::uint32_t request);
    void log(std::uint8_t level, std::string text);

    [[nodiscard]] bool ended() const { return ended_; }
    /// Why it ended; no error where the parent is gone.
    [[nodiscard]] Result<void> outcome() const { return outcome_; }

 private:
    struct Entry {
        std::shared_ptr<PortTotals> totals;
        std::size_t sockets = 0;
    };

    [[nodiscard]] bool serve_next();
    void serve(const wire::AddPort& request, std::vector<sys::Fd> descriptors);
    void serve(const wire::RemovePort& request);
    void serve(const wire::GetStats& request);
    void serve(const wire::Tell& request);
    [[nodiscard]] Result<std::shared_ptr<Port>> make_port(const wire::AddPort& request,
                                                          std::vector<sys::Fd> descriptors);
    void answer(std::uint32_t request, std::uint32_t code, std::string message);
    void queue(const wire::RelayMessage& message);
    [[nodiscard]] model::RelayHealth health() const;

    Shared& shared_;
    const RelayParts& parts_;
    sys::Fd channel_;
    std::map<std::uint32_t, Entry> ports_;
    std::deque<std::string> replies_;
    std::int64_t retry_ms_ = -1;
    unsigned next_owner_ = 0;
    bool ended_ = false;
    Result<void> outcome_;
};

}  // namespace rk::relay
