// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/builtin.h"
#include "drivers/port/registry.h"
#include "sys/seqpacket.h"
#include "sys/sockaddr.h"
#include "wire/relay_channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rk::drivers {
namespace {

using model::PortSpec;

// How a relay behaves that is not one: it answers, and keeps nothing but the sockets.
enum class Manner {
    kServes,
    kRefusesPort81,  // AddPort to target port 81 fails
    kDiesOnPort82,   // AddPort to target port 82 kills it
    kDies,           // on any AddPort
};

[[noreturn]] void fake_relay(const sys::Fd& inherited, Manner manner) {
    // Listening sockets must come by the channel, not by the fork.
    const sys::Fd channel(::dup2(inherited.number(), 3));
    ::syscall(SYS_close_range, 4U, ~0U, 0U);
    std::map<std::uint32_t, std::vector<sys::Fd>> sockets;
    for (;;) {
        pollfd ready{channel.number(), POLLIN, 0};
        ::poll(&ready, 1, -1);
        auto packet = sys::receive_packet_with(channel, wire::kMaxRelayPacket);
        if (!packet || !*packet || (*packet)->packet.empty()) {
            ::_exit(0);
        }
        const auto message = wire::decode_relay((*packet)->packet);
        std::vector<wire::RelayMessage> answers;
        if (const auto* add = std::get_if<wire::AddPort>(&*message)) {
            const std::uint16_t port = add->target.port;
            if (manner == Manner::kDies || (manner == Manner::kDiesOnPort82 && port == 82)) {
                ::_exit(7);
            }
            const bool refuses = manner == Manner::kRefusesPort81 && port == 81;
            for (sys::Fd& fd : (*packet)->descriptors) {
                sockets[add->id].push_back(std::move(fd));
            }
            answers.emplace_back(wire::LogLine{0, "before the answer"});
            answers.emplace_back(wire::Done{add->request - 1, 99, "of an older request"});
            answers.emplace_back(wire::Done{add->request, refuses ? 13U : 0U, ""});
        } else if (const auto* remove = std::get_if<wire::RemovePort>(&*message)) {
            sockets.erase(remove->id);
            answers.emplace_back(wire::Done{remove->request, 0, ""});
        } else if (const auto* get = std::get_if<wire::GetStats>(&*message)) {
            wire::Stats stats;
            stats.request = get->request;
            stats.more = true;
            stats.health.open_fds = sockets.size();
            answers.emplace_back(stats);
            stats.more = false;
            for (const auto& [id, owned] : sockets) {
                stats.ports.push_back({static_cast<int>(id), owned.size(), 0, 0, 0, 0, 0, 0});
            }
            answers.emplace_back(stats);
        }
        for (const auto& answer : answers) {
            static_cast<void>(sys::send_packet(channel, wire::encode(answer)));
        }
    }
}

class BuiltinPort : public testing::Test {
 protected:
    BuiltinPort() : log_({.id = "parent", .fd = ::fileno(stderr)}) {}

    RelayStarter starter(Manner manner) {
        return [this, manner]() -> Result<RelayConnection> {
            ++starts_;
            auto [ours, theirs] = TRY(sys::seqpacket_pair());
            const pid_t pid = TRY(sys::clone_process(0));
            if (pid == 0) {
                ours.reset();
                fake_relay(theirs, manner);
            }
            return RelayConnection{std::move(ours), pid};
        };
    }
    BuiltinPortDriver& make(Manner manner = Manner::kServes) {
        BuiltinPortParts parts;
        parts.argv0 = "/usr/bin/rootlesskit";
        parts.start_relay = starter(manner);
        parts.set_up_source_ip = [this] {
            ++set_ups_;
            return SourceIpSetup(SourceIpSupport{true, false, false, "nft"});
        };
        driver_ = std::make_unique<BuiltinPortDriver>(std::move(parts), log_);
        return *driver_;
    }
    std::string add(const std::string& text) {
        const auto added = driver_->add(*PortSpec::parse(text));
        return added ? fmt::format("ID {}", added->id) : added.error().message;
    }
    std::string listed() const {
        std::string text;
        for (const auto& port : driver_->list()) {
            text += fmt::format("{}{}", port.id, port.spec.in_braces());
        }
        return text;
    }
    std::uint16_t port_of(std::size_t index) const {
        return driver_->list().at(index).spec.parent_port();
    }

    Logger log_;
    int starts_ = 0;
    int set_ups_ = 0;
    std::unique_ptr<BuiltinPortDriver> driver_;
};

bool connects(std::uint16_t port) {
    const sys::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto name = sys::to_sockaddr({*model::IpAddress::parse("127.0.0.1"), port});
    return ::connect(socket.number(), name.get(), name.length) == 0;
}

TEST_F(BuiltinPort, CountsIdsBySuccess) {
    make();
    EXPECT_EQ(starts_, 0);  // nothing to serve yet
    EXPECT_EQ(add("127.0.0.1:0:80/tcp"), "ID 1");
    const std::uint16_t port = port_of(0);
    EXPECT_NE(port, 0);
    EXPECT_TRUE(connects(port));
    EXPECT_EQ(add(fmt::format("127.0.0.1:{}:80/tcp", port)), "conflict with ID 1");
    EXPECT_EQ(add(fmt::format("127.0.0.1:{}:80/tcp4", port)),
              fmt::format("listen tcp4 127.0.0.1:{}: bind: address already in use", port));
    EXPECT_EQ(add("127.0.0.1:1:80/sctp"), "unsupported port protocol sctp");
    EXPECT_EQ(add("127.0.0.1:0:53/udp"), "ID 2");
    EXPECT_TRUE(driver_->remove(1));
    EXPECT_FALSE(connects(port));
    EXPECT_EQ(driver_->remove(1).error().message, "unknown id: 1");
    EXPECT_EQ(add(fmt::format("127.0.0.1:{}:80/tcp", port)), "ID 3");
    EXPECT_EQ(starts_, 1);
}

TEST_F(BuiltinPort, EchoesSpecsSortedById) {
    make();
    EXPECT_EQ(add("[::ffff:127.0.0.1]:0:10.0.2.100:80/tcp4"), "ID 1");
    EXPECT_EQ(add(":0:80/udp4"), "ID 2");
    EXPECT_EQ(listed(), fmt::format("1{{tcp4 ::ffff:127.0.0.1 {} 80 10.0.2.100}}2{{udp4  {} 80 }}",
                                    port_of(0), port_of(1)));
}

TEST_F(BuiltinPort, RangesAreOneEntry) {
    make();
    ASSERT_EQ(add("127.0.0.1:0:80/tcp"), "ID 1");
    // Somewhere ten free ports follow each other.
    std::uint32_t first = 20000;
    std::string said;
    for (; first < 60000 && said != "ID 2"; first += 100) {
        said = add(fmt::format("127.0.0.1:{}-{}:8000-8009/tcp", first, first + 9));
    }
    first -= 100;
    ASSERT_EQ(said, "ID 2");
    EXPECT_TRUE(connects(static_cast<std::uint16_t>(first)));
    EXPECT_TRUE(connects(static_cast<std::uint16_t>(first + 9)));
    EXPECT_EQ(add(fmt::format("127.0.0.1:{}:80/tcp", first + 5)), "conflict with ID 2");
    const auto stats = driver_->stats();
    ASSERT_TRUE(stats);
    EXPECT_EQ(stats->ports.at(1).accepted, 10U);  // the fake's count of sockets
    EXPECT_TRUE(driver_->remove(2));
    EXPECT_FALSE(connects(static_cast<std::uint16_t>(first + 9)));
}

TEST_F(BuiltinPort, FailureLeavesNothing) {
    make(Manner::kRefusesPort81);
    ASSERT_EQ(add("127.0.0.1:0:80/tcp"), "ID 1");
    const std::uint16_t free = port_of(0);
    ASSERT_TRUE(driver_->remove(1));
    EXPECT_EQ(add(fmt::format("127.0.0.1:{}:81/tcp", free)), "permission denied");
    EXPECT_FALSE(connects(free));
    EXPECT_EQ(listed(), "");
    EXPECT_EQ(driver_->stats()->health.open_fds, 0U);  // sockets the fake has
    EXPECT_EQ(add(fmt::format("127.0.0.1:{}:80/tcp", free)), "ID 2");
}

TEST_F(BuiltinPort, DeadRelayComesBackWithItsPorts) {
    make();
    auto loop = loop::EventLoop::create();
    ASSERT_TRUE(loop);
    driver_->attach(*loop);
    ASSERT_EQ(add("127.0.0.1:0:80/tcp"), "ID 1");
    const auto before = driver_->stats();
    ASSERT_TRUE(before);
    ASSERT_TRUE(before->health.running && before->health.pid > 0);
    ::kill(before->health.pid, SIGKILL);
    ASSERT_TRUE(loop->run_once(sys::Deadline::after(std::chrono::seconds(5))));
    while (starts_ < 2 && loop->run_once(sys::Deadline::after(std::chrono::seconds(5))).value()) {
    }
    const auto after = driver_->stats();
    ASSERT_TRUE(after);
    EXPECT_EQ(starts_, 2);
    EXPECT_EQ(after->health.restarts, 1U);
    EXPECT_NE(after->health.pid, before->health.pid);
    EXPECT_EQ(after->ports.at(0).accepted, 1U);  // the fake's count of sockets
    EXPECT_TRUE(connects(port_of(0)));
    driver_.reset();
}

TEST_F(BuiltinPort, DeathIsNoticedWithoutALoopToo) {
    make();
    ASSERT_EQ(add("127.0.0.1:0:80/tcp"), "ID 1");
    const auto stats = driver_->stats();
    ASSERT_TRUE(stats && stats->health.pid > 0);
    ::kill(stats->health.pid, SIGKILL);
    EXPECT_EQ(add("127.0.0.1:0:80/tcp"), "ID 2");
    EXPECT_EQ(driver_->stats()->health.open_fds, 2U);
    EXPECT_EQ(driver_->stats()->health.restarts, 1U);
}

TEST_F(BuiltinPort, APortThatKillsTheRelayDoesNotTakeTheOthers) {
    make(Manner::kDiesOnPort82);
    ASSERT_EQ(add("127.0.0.1:0:80/tcp"), "ID 1");
    EXPECT_THAT(add("127.0.0.1:0:82/tcp"), testing::HasSubstr("the port relay"));
    EXPECT_EQ(add("127.0.0.1:0:80/tcp"), "ID 2");
    EXPECT_EQ(driver_->stats()->health.open_fds, 2U);
}

TEST_F(BuiltinPort, ARelayThatCannotLiveIsNotStartedForEver) {
    make(Manner::kDies);
    for (int i = 0; i < 20; ++i) {
        EXPECT_THAT(add("127.0.0.1:0:80/tcp"), testing::HasSubstr("the port relay"));
    }
    EXPECT_LE(starts_, 60);
    EXPECT_EQ(listed(), "");
}

TEST_F(BuiltinPort, SourceIpIsSetUpOnceAndShownBeforeTheFirstPort) {
    make();
    driver_->prepare();
    EXPECT_EQ(set_ups_, 1);
    EXPECT_EQ(driver_->info().extra.at("sourceIPTransparentBackend"), "nft");
    ASSERT_EQ(add("127.0.0.1:0:80/tcp"), "ID 1");
    ASSERT_EQ(add("0.0.0.0:0:80/tcp"), "ID 2");
    EXPECT_EQ(set_ups_, 1);
    EXPECT_EQ(driver_->info().extra.at("sourceIPTransparentBackend"), "nft");
    EXPECT_EQ(driver_->info().driver, "builtin");
    EXPECT_EQ(driver_->info().protos.size(), 6U);
    EXPECT_FALSE(driver_->info().disallow_loopback_child_ip);
}

TEST_F(BuiltinPort, BehindAGatewaySourceIpTakesNothingInsideButForTheFallback) {
    BuiltinPortParts parts;
    parts.start_relay = starter(Manner::kServes);
    parts.gateway.emplace(GatewayTargets{*model::IpAddress::parse("10.0.2.100"), {}});
    parts.set_up_source_ip = [this] {
        ++set_ups_;
        return SourceIpSetup(SourceIpSupport{true, true, true, "nft"});
    };
    driver_ = std::make_unique<BuiltinPortDriver>(std::move(parts), log_);
    driver_->prepare();
    EXPECT_TRUE(driver_->info().disallow_loopback_child_ip);
    EXPECT_EQ(driver_->info().extra.at("sourceIPTransparentBackend"), "gateway");
    ASSERT_EQ(add("127.0.0.1:0:80/tcp"), "ID 1");
    ASSERT_EQ(add(":0:80/udp"), "ID 2");
    ASSERT_EQ(add("0.0.0.0:0:10.0.2.100:80/tcp"), "ID 3");
    EXPECT_EQ(set_ups_, 0);
    ASSERT_EQ(add("0.0.0.0:0:80/tcp"), "ID 4");
    EXPECT_EQ(set_ups_, 1);
}

TEST_F(BuiltinPort, InheritedSocketsAreShownAsWhatTheyAre) {
    auto listener = listen_on(*PortSpec::parse("127.0.0.1:0:80/tcp"), 0);
    ASSERT_TRUE(listener);
    const std::uint16_t port = listener->port;
    BuiltinPortParts parts;
    parts.start_relay = starter(Manner::kServes);
    InheritedSocket web;
    web.name = "web";
    web.local = *sys::local_endpoint(listener->socket);
    web.socket = std::move(listener->socket);
    parts.inherited.push_back(std::move(web));
    driver_ = std::make_unique<BuiltinPortDriver>(std::move(parts), log_);
    EXPECT_EQ(add("fd:web:80/tcp"), "ID 1");
    EXPECT_EQ(listed(), fmt::format("1{{tcp 127.0.0.1 {} 80 }}", port));
    EXPECT_EQ(add("fd:web:81/tcp"), "conflict with ID 1");
    EXPECT_EQ(add("fd:mail:25/tcp"), "no inherited socket \"mail\" for tcp");
    EXPECT_TRUE(driver_->remove(1));
    EXPECT_EQ(add(fmt::format("127.0.0.1:{}:80/tcp", port)), "ID 2");
}

TEST_F(BuiltinPort, RegistryMakesIt) {
    const auto none = make_port_driver(model::PortDriver::kNone, {}, log_);
    ASSERT_TRUE(none);
    EXPECT_EQ(none->get(), nullptr);
    const auto builtin = make_port_driver(model::PortDriver::kBuiltin, {}, log_);
    ASSERT_TRUE(builtin);
    EXPECT_EQ((*builtin)->info().driver, "builtin");
    const auto pesto = make_port_driver(model::PortDriver::kPesto, {}, log_);
    ASSERT_TRUE(pesto);
    EXPECT_EQ((*pesto)->info().driver, "pesto");
}

}  // namespace
}  // namespace rk::drivers
