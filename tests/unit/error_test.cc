// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include "base/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>

namespace rk {
namespace {

TEST(Error, ErrnoTextsAreGos) {
    EXPECT_EQ(errno_text(EACCES), "permission denied");
    EXPECT_EQ(errno_text(EPERM), "operation not permitted");
    EXPECT_EQ(errno_text(ENOENT), "no such file or directory");
    EXPECT_EQ(errno_text(EADDRINUSE), "address already in use");
    EXPECT_EQ(errno_text(ENOSPC), "no space left on device");
    EXPECT_EQ(errno_text(ECONNREFUSED), "connection refused");
    EXPECT_EQ(errno_text(99999), "errno 99999");
}

TEST(Error, SignalTextsAreGos) {
    EXPECT_EQ(signal_text(SIGKILL), "killed");
    EXPECT_EQ(signal_text(SIGTERM), "terminated");
    EXPECT_EQ(signal_text(SIGUSR1), "user defined signal 1");
    EXPECT_EQ(signal_text(SIGWINCH), "signal 28");
    EXPECT_EQ(signal_text(40), "signal 40");
}

Result<int> half(int value) {
    if (value % 2 != 0) {
        return fail(Error{"odd", EINVAL});
    }
    return value / 2;
}

Result<int> quarter(int value) {
    const int once = TRY_CTX(half(value), "halve {}", value);
    return TRY(half(once));
}

TEST(Result, TryPassesValuesAndAddsContextToErrors) {
    EXPECT_EQ(quarter(8), 2);
    const auto outer = quarter(7);
    ASSERT_FALSE(outer);
    EXPECT_EQ(outer.error().message, "halve 7: odd");
    EXPECT_EQ(outer.error().code, EINVAL);
    const auto inner = quarter(6);
    ASSERT_FALSE(inner);
    EXPECT_EQ(inner.error().message, "odd");
}

}  // namespace
}  // namespace rk
