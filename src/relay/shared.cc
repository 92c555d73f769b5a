// SPDX-License-Identifier: Apache-2.0
#include "relay/shared.h"

#include <algorithm>
#include <ctime>
#include <limits>

namespace rk::relay {

namespace {

// Two descriptors a connection: the client's and the service's.
std::size_t connection_limit(const RelayLimits& wanted) {
    return wanted.max_connections > 0 ? wanted.max_connections
                                      : std::numeric_limits<std::size_t>::max() / 2;
}

std::size_t flow_limit(const RelayLimits& wanted, std::size_t fd_limit) {
    return std::max<std::size_t>(std::min(wanted.max_udp_flows, fd_limit / kFlowShareOfFds), 1);
}

}  // namespace

// A quarter of the flows is set aside in equal shares, so that a flood of one port cannot take the
// last flow from a port of another worker.
Shared::Shared(const RelayLimits& wanted, unsigned worker_count, std::size_t fd_limit)
    : limits(wanted),
      workers(worker_count),
      fds(fd_limit, std::min(kReservedFds, fd_limit / 2)),
      connections(connection_limit(wanted)),
      pipes(std::min(kMaxPipes, fd_limit / kPipeShareOfFds / 2)),
      flows(0) {
    const std::size_t all = flow_limit(wanted, fd_limit);
    own_flows = std::max<std::size_t>(all / 4 / worker_count, 1);
    const std::size_t set_aside = own_flows * worker_count;
    flows.set_limit(all > set_aside ? all - set_aside : 0);
}

std::int64_t now_ms() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

}  // namespace rk::relay
