// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <string>

#include <fcntl.h>
#include <unistd.h>

namespace rk {
namespace {

class LogFormat : public ::testing::Test {
 protected:
    void SetUp() override { zone("UTC"); }
    static void zone(const char* name) {
        ::setenv("TZ", name, 1);
        ::tzset();
    }
};

TEST_F(LogFormat, NotATerminalIsKeyValue) {
    EXPECT_EQ(format_log_line(LogLevel::kWarning, "[rootlesskit:parent] a \"b\"\n", false, 0, 0),
              "time=\"1970-01-01T00:00:00Z\" level=warning "
              "msg=\"[rootlesskit:parent] a \\\"b\\\"\\n\"\n");
}

TEST_F(LogFormat, LocalTimeHasItsOffset) {
    zone("XXX-05:30");
    EXPECT_EQ(format_log_line(LogLevel::kDebug, "x", false, 0, 0),
              "time=\"1970-01-01T05:30:00+05:30\" level=debug msg=x\n");
    zone("XXX+03");
    EXPECT_EQ(format_log_line(LogLevel::kInfo, "x", false, 0, 0),
              "time=\"1969-12-31T21:00:00-03:00\" level=info msg=x\n");
}

TEST_F(LogFormat, TerminalHasColourSecondsAndPadding) {
    EXPECT_EQ(format_log_line(LogLevel::kWarning, "hello", true, 0, 7),
              "\x1b[33mWARN\x1b[0m[0007] " + std::string("hello") + std::string(39, ' ') + " \n");
}

class LoggerOutput : public ::testing::Test {
 protected:
    void SetUp() override { ASSERT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0); }
    void TearDown() override { ::close(ends_[0]); }
    std::string read_back() {
        ::close(ends_[1]);
        std::array<char, 4096> text{};
        const ssize_t got = ::read(ends_[0], text.data(), text.size());
        return {text.data(), static_cast<std::size_t>(got)};
    }
    std::array<int, 2> ends_{};
};

TEST_F(LoggerOutput, DebugIsOffUnlessAskedFor) {
    const Logger log({.id = "parent", .debug = false, .fd = ends_[1]});
    log.debug("hidden");
    log.fatal("seen");
    EXPECT_EQ(read_back(), "[rootlesskit:parent] error: seen\n");
}

TEST_F(LoggerOutput, DebugLineCarriesTheId) {
    const Logger log({.id = "child ", .debug = true, .fd = ends_[1]});
    log.debug("step {}", 3);
    EXPECT_NE(read_back().find("level=debug msg=\"[rootlesskit:child ] step 3\""),
              std::string::npos);
}

}  // namespace
}  // namespace rk
