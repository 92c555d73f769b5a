// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// Who sends a datagram to where nobody is, or to where it must not, is told by an ICMP error as on
// any network; connect()ed UDP sockets then see ECONNREFUSED. The kernel cannot be made to send one
// for us, so it is put together here, from the addresses alone, and leaves from the gateway by a
// raw socket that was made with it. No more than kErrorsPerSecond a worker, like every router.
#pragma once

#include "gateway/flow_key.h"
#include "gateway/sockets.h"

#include <cstdint>

namespace rk::gateway {

class UdpErrors {
 public:
    explicit UdpErrors(const Sockets& sockets) : sockets_(sockets) {}

    /// Tells the inside that its datagram failed with this errno. What says nothing about the
    /// destination is not told.
    void tell(const FlowKey& flow, int code, std::int64_t now);

 private:
    const Sockets& sockets_;
    std::int64_t second_ = 0;
    unsigned told_ = 0;
};

}  // namespace rk::gateway
