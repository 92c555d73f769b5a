// SPDX-License-Identifier: Apache-2.0
#include "sys/file_watch.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include <poll.h>
#include <unistd.h>

namespace rk::sys {
namespace {

class FileWatchTest : public ::testing::Test {
 protected:
    void SetUp() override {
        char name[] = "/tmp/rksysXXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        directory_ = name;
        write("real", "1");
        ASSERT_EQ(::symlink((directory_ + "/real").c_str(), path("link").c_str()), 0);
    }
    void TearDown() override {
        for (const char* name : {"real", "link", "new"}) {
            ::unlink(path(name).c_str());
        }
        ::rmdir(directory_.c_str());
    }
    [[nodiscard]] std::string path(const std::string& name) const {
        return directory_ + '/' + name;
    }
    void write(const std::string& name, const char* text) const {
        std::ofstream(path(name)) << text;
    }
    static bool told(const FileWatch& watch) {
        pollfd ready{watch.fd().number(), POLLIN, 0};
        return ::poll(&ready, 1, 0) == 1;
    }

    std::string directory_;
};

TEST_F(FileWatchTest, SeesWritesThroughASymlink) {
    auto watch = FileWatch::open(path("link"));
    ASSERT_TRUE(watch);
    EXPECT_FALSE(told(*watch));
    write("real", "2");
    EXPECT_TRUE(told(*watch));
    watch->take();
    EXPECT_FALSE(told(*watch));
}

TEST_F(FileWatchTest, SeesReplacementsAgainAndAgain) {
    auto watch = FileWatch::open(path("link"));
    ASSERT_TRUE(watch);
    for (int i = 0; i < 3; ++i) {
        write("new", "3");
        ASSERT_EQ(::rename(path("new").c_str(), path("real").c_str()), 0);
        EXPECT_TRUE(told(*watch)) << i;
        watch->take();
        write("real", "4");  // the file that is there now
        EXPECT_TRUE(told(*watch)) << i;
        watch->take();
    }
}

TEST_F(FileWatchTest, SeesANameThatComesLater) {
    ::unlink(path("link").c_str());
    auto watch = FileWatch::open(path("link"));
    ASSERT_TRUE(watch);
    write("link", "5");
    EXPECT_TRUE(told(*watch));
}

}  // namespace
}  // namespace rk::sys
