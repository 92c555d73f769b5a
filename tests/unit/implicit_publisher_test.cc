// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/implicit_publisher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

namespace rk::drivers {
namespace {

// Publishes into a list; ports that the host has refuse.
class FakePorts final : public PortDriver {
 public:
    [[nodiscard]] PortDriverInfo info() override { return {}; }
    [[nodiscard]] Result<model::PortStatus> add(const model::PortSpec& spec) override {
        ++tries;
        if (taken.count(spec.parent_port()) != 0) {
            return fail(Error{why, EADDRINUSE});
        }
        published.emplace(++last_id, spec.in_braces());
        return model::PortStatus{last_id, spec};
    }
    [[nodiscard]] Result<void> remove(int id) override {
        return published.erase(id) == 1 ? Result<void>() : fail("unknown id: {}", id);
    }
    [[nodiscard]] std::vector<model::PortStatus> list() const override { return {}; }
    [[nodiscard]] Result<PortDriverStats> stats() override {
        PortDriverStats stats;
        for (const auto& [id, text] : published) {
            model::PortCounters& counters = stats.ports.emplace_back();
            counters.id = id;
            counters.active = connections[id];
        }
        return stats;
    }

    [[nodiscard]] std::set<std::string> specs() const {
        std::set<std::string> all;
        for (const auto& [id, text] : published) {
            all.insert(text);
        }
        return all;
    }

    std::map<int, std::string> published;
    std::map<int, std::uint64_t> connections;
    std::set<std::uint16_t> taken;
    std::string why = "address already in use";
    int last_id = 0;
    int tries = 0;
};

class ImplicitPublisherTest : public testing::Test {
 protected:
    ImplicitPublisherTest() : file_(::memfd_create("log", MFD_CLOEXEC)) {}
    ~ImplicitPublisherTest() override { ::close(file_); }

    static ImplicitPort tcp(std::uint16_t port, LoopbackFamily family = LoopbackFamily::kIpv4) {
        return {port, SocketKind::kTcp, family};
    }
    static model::IpAddress address(const char* text) { return *model::IpAddress::parse(text); }
    void update() { publisher_.update(wanted_, now_); }
    [[nodiscard]] std::string log() const {
        std::string text(65536, '\0');
        const ssize_t got = ::pread(file_, text.data(), text.size(), 0);
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }
    [[nodiscard]] std::size_t log_lines() const {
        const std::string text = log();
        return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    }

    int file_;
    Logger logger_{{.id = "parent", .debug = false, .fd = file_}};
    FakePorts ports_;
    ImplicitPublisher publisher_{ports_, logger_};
    ImplicitTargets wanted_;
    ImplicitPublisher::Time now_{};
};

TEST_F(ImplicitPublisherTest, PublishesWhatIsWantedAndRemovesWhatIsNot) {
    wanted_ = {{tcp(80), address("0.0.0.0")},
               {tcp(80, LoopbackFamily::kIpv6), address("::1")},
               {{53, SocketKind::kUdp, LoopbackFamily::kIpv4}, address("127.0.0.1")}};
    update();
    const std::set<std::string> all = {"{tcp4 127.0.0.1 80 80 }", "{tcp6 ::1 80 80 ::1}",
                                       "{udp4 127.0.0.1 53 53 127.0.0.1}"};
    EXPECT_EQ(ports_.specs(), all);
    update();
    EXPECT_EQ(ports_.tries, 3) << "what is there already is not touched";
    wanted_.erase(tcp(80));
    update();
    EXPECT_EQ(ports_.specs(),
              (std::set<std::string>{"{tcp6 ::1 80 80 ::1}", "{udp4 127.0.0.1 53 53 127.0.0.1}"}));
    wanted_.clear();
    update();
    EXPECT_TRUE(ports_.published.empty());
    EXPECT_EQ(log(), "");
}

TEST_F(ImplicitPublisherTest, APortThatLeadsElsewhereNowIsMadeAnew) {
    wanted_ = {{tcp(80), address("127.0.0.1")}};
    update();
    wanted_[tcp(80)] = address("0.0.0.0");
    update();
    EXPECT_EQ(ports_.specs(), (std::set<std::string>{"{tcp4 127.0.0.1 80 80 }"}));
    EXPECT_EQ(ports_.last_id, 2);
}

TEST_F(ImplicitPublisherTest, APortWithConnectionsStaysUntilTheyHaveEnded) {
    wanted_ = {{tcp(80), address("127.0.0.1")}, {tcp(81), address("127.0.0.1")}};
    update();
    ports_.connections = {{1, 2}};
    wanted_.clear();
    update();
    EXPECT_EQ(ports_.specs(), (std::set<std::string>{"{tcp4 127.0.0.1 80 80 127.0.0.1}"}));
    ports_.connections.clear();
    update();
    EXPECT_TRUE(ports_.published.empty());
    wanted_ = {{tcp(80), address("127.0.0.1")}};
    update();
    ports_.connections = {{3, 1}};
    wanted_[tcp(80)] = address("0.0.0.0");
    update();
    EXPECT_EQ(ports_.specs(), (std::set<std::string>{"{tcp4 127.0.0.1 80 80 }"}))
        << "a new service goes first";
}

TEST_F(ImplicitPublisherTest, AConflictIsToldOnceAndHeals) {
    ports_.taken = {80};
    wanted_ = {{tcp(80), address("0.0.0.0")}, {tcp(81), address("0.0.0.0")}};
    update();
    EXPECT_EQ(ports_.published.size(), 1U);
    EXPECT_EQ(log_lines(), 1U);
    EXPECT_NE(log().find("127.0.0.1:80/tcp cannot be published: address already in use"),
              std::string::npos)
        << log();
    update();
    EXPECT_EQ(ports_.tries, 2) << "not before its time";
    for (int i = 0; i < 5; ++i) {
        now_ += kImplicitRetry;
        update();
    }
    EXPECT_EQ(ports_.tries, 7);
    EXPECT_EQ(log_lines(), 1U);
    ports_.why = "permission denied";
    now_ += kImplicitRetry;
    update();
    EXPECT_EQ(log_lines(), 2U) << log();
    ports_.taken.clear();
    now_ += kImplicitRetry;
    update();
    EXPECT_EQ(ports_.published.size(), 2U);
    EXPECT_NE(log().find("127.0.0.1:80/tcp is published now"), std::string::npos) << log();
}

TEST_F(ImplicitPublisherTest, AServiceThatComesAndGoesDoesNotRepeatTheConflict) {
    ports_.taken = {80};
    for (int i = 0; i < 5; ++i) {
        wanted_ = {{tcp(80), address("0.0.0.0")}};
        update();
        wanted_.clear();
        update();
    }
    EXPECT_EQ(ports_.tries, 5);
    EXPECT_EQ(log_lines(), 1U) << log();
}

TEST_F(ImplicitPublisherTest, ManyChangesTakeSeveralUpdates) {
    for (std::uint16_t port = 1; port <= 300; ++port) {
        wanted_.emplace(tcp(port), address("0.0.0.0"));
    }
    update();
    EXPECT_EQ(ports_.published.size(), kImplicitChangesPerUpdate);
    update();
    update();
    EXPECT_EQ(ports_.published.size(), 300U);
    wanted_.clear();
    update();
    EXPECT_EQ(ports_.published.size(), 300U - kImplicitChangesPerUpdate);
    update();
    update();
    EXPECT_TRUE(ports_.published.empty());
}

}  // namespace
}  // namespace rk::drivers
