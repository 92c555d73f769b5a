// SPDX-License-Identifier: Apache-2.0
#include "sys/environment.h"
#include "sys/file.h"
#include "sys/seqpacket.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/stat.h>

namespace rk::sys {
namespace {

namespace fs = std::filesystem;

TEST(Paths, CleaningIsTextualLikeGos) {
    EXPECT_EQ(clean_path("/a//b/./c/../d/"), "/a/b/d");
    EXPECT_EQ(clean_path("/../.."), "/");
    EXPECT_EQ(clean_path("a/../.."), "..");
    EXPECT_EQ(clean_path("./x"), "x");
    EXPECT_EQ(clean_path(""), ".");
    EXPECT_EQ(*absolute_path("/x/../y"), "/y");
    EXPECT_EQ(*absolute_path("z"), fs::current_path().string() + "/z");
}

TEST(EnvironmentTest, KeepsOrderAndReplacesEveryEntryOfAName) {
    Environment environment({"A=1", "AB=2", "A=3", "C"});
    EXPECT_EQ(environment.get("A"), "1");
    EXPECT_EQ(environment.get("C"), std::nullopt);
    environment.set("A", "x=y");
    EXPECT_EQ(environment.entries(), (std::vector<std::string>{"AB=2", "C", "A=x=y"}));
    environment.remove("AB");
    EXPECT_EQ(environment.get("AB"), std::nullopt);
}

class FilesTest : public ::testing::Test {
 protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "rk-files-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
    }
    void TearDown() override { fs::remove_all(root_); }
    fs::path root_;
};

TEST_F(FilesTest, ReadingIsBounded) {
    std::ofstream(root_ / "f") << std::string(100, 'x');
    EXPECT_EQ(read_file((root_ / "f").string(), 100)->size(), 100U);
    const auto too_long = read_file((root_ / "f").string(), 99);
    ASSERT_FALSE(too_long);
    EXPECT_EQ(too_long.error().code, EFBIG);
    EXPECT_EQ(read_file("/nonexistent").error().message,
              "open /nonexistent: no such file or directory");
}

TEST_F(FilesTest, ReplacingSetsTheExactModeAndLeavesNoTemporary) {
    const auto directory = open_file(root_.string(), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(directory);
    ASSERT_TRUE(replace_file_at(*directory, "pid", "12", 0444));
    ASSERT_TRUE(replace_file_at(*directory, "pid", "34", 0444));
    EXPECT_EQ(*read_file((root_ / "pid").string()), "34");
    EXPECT_EQ(list_directory(root_.string())->size(), 1U);
}

TEST_F(FilesTest, MakeDirectoriesIsIdempotentAndNamesWhatIsInTheWay) {
    ASSERT_TRUE(make_directories((root_ / "a/b/c").string()));
    ASSERT_TRUE(make_directories((root_ / "a/b/c").string()));
    std::ofstream(root_ / "file") << "";
    const auto blocked = make_directories((root_ / "file/x").string());
    ASSERT_FALSE(blocked);
    EXPECT_NE(blocked.error().message.find("file"), std::string::npos);
}

TEST_F(FilesTest, ProgramsAreLookedUpAsGoDoes) {
    fs::create_directories(root_ / "bin/dir");
    std::ofstream(root_ / "bin/plain") << "x";
    std::ofstream(root_ / "bin/tool") << "x";
    fs::permissions(root_ / "bin/tool", fs::perms::owner_all);
    const std::string path = "/nonexistent:" + (root_ / "bin").string();
    EXPECT_EQ(*look_up_program("tool", path), (root_ / "bin/tool").string());
    for (const char* bad : {"dir", "plain", "missing", ""}) {
        const auto found = look_up_program(bad, path);
        ASSERT_FALSE(found) << bad;
        EXPECT_EQ(found.error().message,
                  fmt::format("exec: \"{}\": executable file not found in $PATH", bad));
    }
    const std::string missing = (root_ / "no/such").string();
    EXPECT_EQ(look_up_program(missing, path).error().message,
              fmt::format("exec: \"{0}\": stat {0}: no such file or directory", missing));
}

TEST(Seqpacket, KeepsBordersTellsEofAndRefusesLongPackets) {
    auto ends = seqpacket_pair();
    ASSERT_TRUE(ends);
    auto& [left, right] = *ends;
    EXPECT_EQ(*receive_packet(right, 10), std::nullopt);
    ASSERT_TRUE(send_packet(left, "one"));
    ASSERT_TRUE(send_packet(left, "two"));
    EXPECT_EQ(**receive_packet(right, 10), "one");
    EXPECT_EQ(**receive_packet(right, 10), "two");
    ASSERT_TRUE(send_packet(left, "far too long"));
    EXPECT_EQ(receive_packet(right, 3).error().code, EMSGSIZE);
    left.reset();
    EXPECT_EQ(**receive_packet(right, 10), "");
    EXPECT_EQ(send_packet(right, "x").error().code, EPIPE);
}

}  // namespace
}  // namespace rk::sys
