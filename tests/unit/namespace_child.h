// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

// Only there in a coverage build; _exit(2) would lose the counters of the forked process.
extern "C" void __gcov_dump() __attribute__((weak));

namespace rk::test {

/// What a forked test body has to say: gtest's own failures stay in the process that made them.
class Report {
 public:
    void expect(bool holds, std::string_view what) {
        if (!holds) {
            text_ += fmt::format("not true: {}\n", what);
        }
    }
    void equal(std::string_view actual, std::string_view expected, std::string_view what) {
        if (actual != expected) {
            text_ += fmt::format("{}: is \"{}\", not \"{}\"\n", what, actual, expected);
        }
    }
    /// This machine does not allow what the test is about.
    void cannot_run(std::string_view why) { unavailable_ = why; }
    [[nodiscard]] std::string encoded() const {
        return unavailable_.empty() ? text_ : fmt::format("{}{}", kUnavailable, unavailable_);
    }

    static constexpr std::string_view kUnavailable = "cannot run here: ";

 private:
    std::string text_;
    std::string unavailable_;
};

inline bool write_text(const char* path, const std::string& text) {
    std::ofstream file(path);
    file << text << std::flush;
    return file.good();
}

/// Makes this process root of new user and mount namespaces (and `more`), mapping only itself,
/// which every user may do for themselves where user namespaces are allowed.
inline bool become_namespace_root(int more) {
    const auto uid = ::geteuid();
    const auto gid = ::getegid();
    return ::unshare(CLONE_NEWUSER | CLONE_NEWNS | more) == 0 &&
           write_text("/proc/self/setgroups", "deny") &&
           write_text("/proc/self/uid_map", fmt::format("0 {} 1", uid)) &&
           write_text("/proc/self/gid_map", fmt::format("0 {} 1", gid));
}

inline std::string read_to_end(int fd) {
    std::string text;
    char chunk[4096];
    for (;;) {
        const ssize_t got = ::read(fd, chunk, sizeof chunk);
        if (got <= 0) {
            return text;
        }
        text.append(chunk, static_cast<std::size_t>(got));
    }
}

[[noreturn]] inline void child_main(int fd, int more, const std::function<void(Report&)>& body) {
    Report report;
    if (become_namespace_root(more)) {
        body(report);
    } else {
        report.cannot_run(fmt::format("no user namespace: {}", std::strerror(errno)));
    }
    const std::string text = report.encoded();
    const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (__gcov_dump != nullptr) {
        __gcov_dump();
    }
    ::_exit(written ? 0 : 1);
}

/// Runs `body` as root of new user and mount namespaces (and `more`, CLONE_NEW*) in a process of
/// its own and turns what it reports into failures of this test. Where that is impossible the test
/// is skipped, or fails with ROOTLESSKIT_TESTS_MUST_RUN=1. Call it last in a test.
inline void run_in_namespace(int more, const std::function<void(Report&)>& body) {
    int ends[2] = {-1, -1};
    ASSERT_EQ(::pipe(ends), 0);
    // High: bodies put descriptors of their own at 3 and on.
    for (int& end : ends) {
        const int low = end;
        end = ::fcntl(low, F_DUPFD_CLOEXEC, 200);
        ::close(low);
    }
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        ::close(ends[0]);
        child_main(ends[1], more, body);
    }
    ::close(ends[1]);
    const std::string text = read_to_end(ends[0]);
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "the forked process failed";
    if (text.rfind(Report::kUnavailable, 0) != 0) {
        EXPECT_EQ(text, "");
        return;
    }
    const char* must_run = std::getenv("ROOTLESSKIT_TESTS_MUST_RUN");
    ASSERT_FALSE(must_run != nullptr && std::string_view(must_run) == "1") << text;
    GTEST_SKIP() << text;
}

}  // namespace rk::test
