// SPDX-License-Identifier: Apache-2.0
#include "wire/handshake.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace rk::wire {
namespace {

template <typename T>
T round_trip(const T& message) {
    const auto decoded = decode(encode(message));
    EXPECT_TRUE(decoded);
    EXPECT_TRUE(std::holds_alternative<T>(*decoded));
    return std::get<T>(*decoded);
}

TEST(Handshake, EveryMessageSurvivesTheTrip) {
    round_trip(IdMapDone{});
    round_trip(NamespacesReady{});
    round_trip(ParentReady{});
    round_trip(SetUpDone{});
    EXPECT_TRUE(round_trip(StartCommand{}).withheld.empty());
    EXPECT_EQ(round_trip(StartCommand{{0, 7, 1023}}).withheld,
              (std::vector<std::uint16_t>{0, 7, 1023}));
    const auto config = round_trip(ChildConfig{0x8000000000000001U, true, true});
    EXPECT_EQ(config.signal_mask, 0x8000000000000001U);
    EXPECT_TRUE(config.sigchld_ignored);
    EXPECT_TRUE(config.activated);
    const auto forward = round_trip(ForwardSignal{64, true, 0x01020304});
    EXPECT_EQ(forward.signal_number, 64);
    EXPECT_TRUE(forward.from_terminal);
    EXPECT_EQ(forward.stops, 0x01020304U);
    EXPECT_EQ(round_trip(CommandStopped{20}).signal_number, 20);
    const auto failed = round_trip(SetUpFailed{ChildStep::kMount, EPERM, "mount x on y"});
    EXPECT_EQ(failed.step, ChildStep::kMount);
    EXPECT_EQ(failed.code, static_cast<std::uint32_t>(EPERM));
    EXPECT_EQ(failed.message, "mount x on y");
}

TEST(Handshake, TheNetworkSurvivesTheTrip) {
    model::NetworkSetup network;
    network.device = "tap0";
    network.address = model::IpAddress::v4(0x0a000264);
    network.prefix = 24;
    network.gateway = model::IpAddress::v4(0x0a000202);
    network.dns = {model::IpAddress::v4(0x0a000203), *model::IpAddress::parse("fd00::3")};
    network.mtu = 65520;
    network.ipv6 = true;
    network.configured_by_child = true;
    network.dhcp = true;
    EXPECT_EQ(round_trip(ParentReady{network}).network, network);
    EXPECT_EQ(round_trip(ParentReady{}).network, std::nullopt);
}

TEST(Handshake, ANetworkThatMakesNoSenseIsAnError) {
    const auto decodes = [](const model::NetworkSetup& network) {
        return decode(encode(ParentReady{network})).has_value();
    };
    model::NetworkSetup network;
    network.device = "tap0";
    EXPECT_TRUE(decodes(network));
    const std::string packet = encode(ParentReady{network});
    for (std::size_t length = 0; length < packet.size(); ++length) {
        EXPECT_FALSE(decode(std::string_view(packet).substr(0, length))) << length;
    }
    network.prefix = 33;
    EXPECT_FALSE(decodes(network));
    network.prefix = 32;
    network.device = "sixteen-bytes-xx";
    EXPECT_FALSE(decodes(network));
    network.device.clear();
    EXPECT_FALSE(decodes(network));
}

TEST(Handshake, LongTextsAreCutToOnePacket) {
    const std::string packet = encode(SetUpFailed{ChildStep::kMount, 1, std::string(100000, 'x')});
    EXPECT_LE(packet.size(), kMaxHandshakeBytes);
    EXPECT_TRUE(decode(packet));
}

TEST(Handshake, MalformedPacketsAreErrors) {
    using std::string_literals::operator""s;
    for (const std::string& bad : {
             ""s, "\0"s, "\xff"s,                    // no kind, unknown kinds
             "\x01x"s,                               // trailing byte
             "\x02\x01\x02"s,                        // cut ChildConfig
             "\x06\x01"s,                            // half a number in StartCommand
             "\x06"s + std::string(2050, '\0'),      // too many of them
             "\x07\0\0"s, "\x07\x41\0"s,             // signals 0 and 65
             "\x08\0"s, "\x09\x01\0\0"s,             // signal 0, cut failure
             "\x09\0\0\0\0\0"s, "\x09\x63\0\0\0\0"s  // unknown steps
         }) {
        EXPECT_FALSE(decode(bad)) << ::testing::PrintToString(bad);
    }
}

}  // namespace
}  // namespace rk::wire
