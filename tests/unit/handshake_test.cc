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
    round_trip(StartCommand{});
    const auto config = round_trip(ChildConfig{0x8000000000000001U, true, true});
    EXPECT_EQ(config.signal_mask, 0x8000000000000001U);
    EXPECT_TRUE(config.sigchld_ignored);
    EXPECT_TRUE(config.activated);
    const auto forward = round_trip(ForwardSignal{64, true});
    EXPECT_EQ(forward.signal_number, 64);
    EXPECT_TRUE(forward.from_terminal);
    EXPECT_EQ(round_trip(CommandStopped{20}).signal_number, 20);
    const auto failed = round_trip(SetUpFailed{ChildStep::kMount, EPERM, "mount x on y"});
    EXPECT_EQ(failed.step, ChildStep::kMount);
    EXPECT_EQ(failed.code, static_cast<std::uint32_t>(EPERM));
    EXPECT_EQ(failed.message, "mount x on y");
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
             "\x07\0\0"s, "\x07\x41\0"s,             // signals 0 and 65
             "\x08\0"s, "\x09\x01\0\0"s,             // signal 0, cut failure
             "\x09\0\0\0\0\0"s, "\x09\x63\0\0\0\0"s  // unknown steps
         }) {
        EXPECT_FALSE(decode(bad)) << ::testing::PrintToString(bad);
    }
}

}  // namespace
}  // namespace rk::wire
