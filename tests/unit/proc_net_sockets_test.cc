// SPDX-License-Identifier: Apache-2.0
#include "wire/proc_net_sockets.h"

#include <gtest/gtest.h>

#include <bit>
#include <string>

namespace rk::wire {
namespace {

static_assert(std::endian::native == std::endian::little, "the samples are from such a machine");

std::string shown(const std::vector<model::Endpoint>& endpoints) {
    std::string text;
    for (const auto& one : endpoints) {
        text += one.text() + " ";
    }
    return text;
}

constexpr std::string_view kTcp =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout\n"
    "   0: 0100007F:46A5 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1002        0\n"
    "   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0\n"
    "4711: 0100007F:DC40 0100007F:46A0 06 00000000:00000000 03:0000146B 00000000     0        0\n";

TEST(ProcNetSockets, FindsThoseThatListen) {
    EXPECT_EQ(shown(waiting_tcp(kTcp)), "127.0.0.1:18085 0.0.0.0:22 ");
    EXPECT_EQ(shown(waiting_udp(kTcp)), "");
}

TEST(ProcNetSockets, KnowsIpv6) {
    EXPECT_EQ(shown(waiting_tcp("   0: 00000000000000000000000001000000:46A4 "
                                "00000000000000000000000000000000:0000 0A 0:0\n"
                                "   1: 00000000000000000000000000000000:0050 "
                                "00000000000000000000000000000000:0000 0A 0:0\n"
                                "   2: B80D0120000000000000000001000000:0051 "
                                "00000000000000000000000000000000:0000 0A 0:0")),
              "[::1]:18084 [::]:80 [2001:db8::1]:81 ");
}

TEST(ProcNetSockets, UdpWithoutAPeer) {
    EXPECT_EQ(shown(waiting_udp(" 4561: 00000000:46A1 00000000:0000 07 0:0\n"
                                " 4562: 0100007F:46A2 0100007F:0035 01 0:0\n")),
              "0.0.0.0:18081 ");
}

TEST(ProcNetSockets, SkipsWhatMakesNoSense) {
    for (const std::string_view line :
         {"", "\n\n", "0:", "0: :", "0: 0100007F 0 0A", "0: 0100007F:46A5", "0: 0100007F:46A5 x",
          "0: 0100007G:46A5 00000000:0000 0A", "0: 0100007F:146A5 00000000:0000 0A",
          "0: 100007F:46A5 00000000:0000 0A", "0: 0100007F:46A5 00000000:0000 0B"}) {
        EXPECT_EQ(shown(waiting_tcp(line)), "") << line;
    }
}

}  // namespace
}  // namespace rk::wire
