// SPDX-License-Identifier: Apache-2.0
//
// What a slirp4netns that is none may do to us; with the real one see test_ports_slirp4netns.py.
#include "drivers/port/slirp4netns_ports.h"

#include "drivers/port/slirp4netns_client.h"
#include "sys/process.h"
#include "sys/unix_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rk::drivers {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::milliseconds kShort{100};
constexpr std::chrono::milliseconds kLong{5000};

// How it answers each request, one after the other; "" closes at once, "..." never answers.
class FakeSlirp {
 public:
    explicit FakeSlirp(std::vector<std::string> answers) {
        std::string name = "/tmp/rksysXXXXXX";
        directory_ = ::mkdtemp(name.data());
        const sys::Fd listener = *sys::listen_unix_stream(path(), 4);
        pid_ = *sys::clone_process(0);
        if (pid_ == 0) {
            for (const std::string& answer : answers) {
                serve(listener, answer);
            }
            ::_exit(0);
        }
    }
    FakeSlirp(const FakeSlirp&) = delete;
    FakeSlirp& operator=(const FakeSlirp&) = delete;
    ~FakeSlirp() {
        sys::kill_hard(pid_);
        sys::wait_for_exit(pid_);
        std::filesystem::remove_all(directory_);
    }
    [[nodiscard]] std::string path() const { return directory_ + "/s"; }

 private:
    static void serve(const sys::Fd& listener, const std::string& answer) {
        pollfd ready{listener.number(), POLLIN, 0};
        ::poll(&ready, 1, -1);
        const int fd = ::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC);
        std::string request(4096, '\0');
        while (answer == "..." || ::read(fd, request.data(), request.size()) > 0) {
        }
        if (answer == "endless") {
            const std::string much(65536, ' ');
            while (::send(fd, much.data(), much.size(), MSG_NOSIGNAL) > 0) {
            }
        }
        for (const char c : answer) {
            ::send(fd, &c, 1, MSG_NOSIGNAL);
        }
        ::close(fd);
    }

    std::string directory_;
    pid_t pid_ = 0;
};

TEST(Slirp4netnsClient, TakesAReplyInPieces) {
    const FakeSlirp fake({R"({"return":{"id":1}})"});
    const Slirp4netnsAnswer answer = ask_slirp4netns(fake.path(), "{}\n", kLong);
    ASSERT_TRUE(answer.reply) << answer.reply.error().message;
    EXPECT_EQ(*answer.reply, R"({"return":{"id":1}})");
    EXPECT_TRUE(answer.received);
}

TEST(Slirp4netnsClient, WaitsNoLongerThanItMay) {
    const FakeSlirp fake({"..."});
    const Slirp4netnsAnswer answer = ask_slirp4netns(fake.path(), "{}\n", kShort);
    ASSERT_FALSE(answer.reply);
    EXPECT_EQ(answer.reply.error().code, ETIMEDOUT);
    EXPECT_TRUE(answer.received);
}

TEST(Slirp4netnsClient, TakesNoMoreThanItMay) {
    const FakeSlirp fake({"endless"});
    const Slirp4netnsAnswer answer = ask_slirp4netns(fake.path(), "{}\n", kLong);
    ASSERT_FALSE(answer.reply);
    EXPECT_THAT(answer.reply.error().message, HasSubstr("a reply of more than"));
}

TEST(Slirp4netnsClient, TellsThatNobodyIsThere) {
    const Slirp4netnsAnswer answer = ask_slirp4netns("/nonexistent/s", "{}\n", kLong);
    ASSERT_FALSE(answer.reply);
    EXPECT_EQ(answer.reply.error().code, ENOENT);
    EXPECT_FALSE(answer.received);
}

struct Slirp4netnsPortDriverTest : ::testing::Test {
    Logger log{{.id = "parent", .debug = false, .fd = 2, .terminal = false}};
    model::PortSpec spec = *model::PortSpec::parse("127.0.0.1:8080:80/tcp");

    Slirp4netnsPortDriver driver_of(const FakeSlirp& fake) const {
        return {{.api_socket = fake.path(),
                 .child_ip = "10.0.2.100",
                 .health = {.running = true, .pid = 1, .restarts = 0}},
                log};
    }
};

// The last of each: what the driver asks when it is unsure, and finds a stray.
TEST_F(Slirp4netnsPortDriverTest, WhatIsNoAnswerIsLookedInto) {
    for (const std::string& junk : {std::string("junk"), std::string(), std::string(5000, '[')}) {
        const FakeSlirp fake(
            {junk, R"({"entries":[{"id":7}]})", R"({"return":{}})", R"({"return":{"id":8}})"});
        Slirp4netnsPortDriver driver = driver_of(fake);
        EXPECT_FALSE(driver.add(spec));
        EXPECT_TRUE(driver.list().empty());
        const auto added = driver.add(spec);
        ASSERT_TRUE(added) << added.error().message;
        EXPECT_EQ(added->id, 1);
    }
}

TEST_F(Slirp4netnsPortDriverTest, ARefusalIsAnAnswer) {
    const FakeSlirp fake({R"({"error":{"desc":"no"}})", R"({"return":{"id":8}})"});
    Slirp4netnsPortDriver driver = driver_of(fake);
    EXPECT_EQ(driver.add(spec).error().message, "reply.Error: map[desc:no]");
    EXPECT_TRUE(driver.add(spec));
}

TEST_F(Slirp4netnsPortDriverTest, ARemovalAfterItsDeathOnlyForgets) {
    std::optional<FakeSlirp> fake(std::in_place,
                                  std::vector<std::string>{R"({"return":{"id":1}})"});
    Slirp4netnsPortDriver driver = driver_of(*fake);
    ASSERT_TRUE(driver.add(spec));
    fake.reset();
    EXPECT_TRUE(driver.remove(1));
    EXPECT_TRUE(driver.list().empty());
}

}  // namespace
}  // namespace rk::drivers
