// SPDX-License-Identifier: Apache-2.0
//
// The DHCP client against a server that says anything at any time. Input: steps of one byte that
// tells what comes, and for an answer its length (two bytes) and payload. Transaction and hardware
// address are put right in most answers, so that they count.
#include "base/bytes.h"
#include "drivers/network/dhcp_client.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace {

using rk::drivers::DhcpClient;
using rk::drivers::DhcpOutput;

constexpr rk::model::MacAddress kMac = {2, 0, 0, 0, 0, 7};

class Run {
 public:
    Run() : client_(kMac, [this] { return random_ += 77; }) { see(client_.start(now_)); }

    void step(rk::ByteReader& in) {
        const std::uint8_t kind = in.u8();
        if (kind % 4 == 0 && client_.next()) {
            now_ = std::max(now_, *client_.next());
            see(client_.on_time(now_));
        } else if (kind % 4 == 1) {
            now_ += std::chrono::seconds(kind);
            see(client_.on_time(now_));
        } else if (auto reply = rk::wire::decode_dhcp(in.bytes(in.u16() % 1024))) {
            if (kind % 4 == 2) {
                reply->transaction = transaction_;
                reply->client = kMac;
            }
            see(client_.on_reply(*reply, now_));
        }
    }

 private:
    // What has to hold after every step.
    void see(const DhcpOutput& output) {
        if (output.packet) {
            transaction_ = output.packet->query.transaction;
        }
        const auto& lease = client_.lease();
        const bool leased = client_.state() == DhcpClient::State::kBound ||
                            client_.state() == DhcpClient::State::kRenewing ||
                            client_.state() == DhcpClient::State::kRebinding;
        if (lease.has_value() != leased || (!leased && !client_.next()) ||
            (lease && (lease->prefix == 0 || lease->prefix > 32 || lease->dns.empty() ||
                       lease->address.to_v4() == 0))) {
            __builtin_trap();
        }
        if (output.packet && output.packet->to_server && !lease) {
            __builtin_trap();
        }
    }

    std::uint32_t random_ = 0;
    std::uint32_t transaction_ = 0;
    DhcpClient::Time now_{std::chrono::seconds(1000)};
    DhcpClient client_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    rk::ByteReader in({reinterpret_cast<const char*>(data), size});
    Run run;
    while (in.ok() && !in.at_end()) {
        run.step(in);
    }
    return 0;
}
