// SPDX-License-Identifier: Apache-2.0
//
// Each test builds directories as an ordinary user, copies them up as root of namespaces of its own
// in a forked process, and looks at the result there. The way the original is held is a parameter:
// every behaviour holds with open_tree(2), without it, and where it is there only in part.
#include "ns/copy_up.h"

#include "sys/file.h"

#include <filesystem>
#include <iterator>
#include <optional>
#include <regex>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "namespace_child.h"

namespace rk::ns {
namespace {

namespace fs = std::filesystem;
using test::Report;

constexpr long kTmpfsMagic = 0x01021994;

enum class Hold { kOpenTree, kBind, kOpenTreeMissing, kMoveMountForbidden };

/// Lets one system call fail from here on.
bool filter_call(unsigned call, unsigned error) {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),  // offsetof(struct seccomp_data, nr)
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{.len = std::size(program), .filter = program};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

std::string read_text(const fs::path& path) {
    return sys::read_file(path.string()).value_or("");
}

void write_new(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
}

std::string link_text(const fs::path& path) {
    std::error_code ignored;
    return fs::read_symlink(path, ignored).string();
}

/// ".roN" of a copied-up directory, by one of its entries.
std::string holder_of(const fs::path& entry) {
    return link_text(entry).substr(0, link_text(entry).find('/'));
}

mode_t mode_of(const fs::path& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : 0;
}

bool is_tmpfs(const fs::path& path) {
    struct statfs status {};
    return ::statfs(path.c_str(), &status) == 0 && status.f_type == kTmpfsMagic;
}

bool same_file(const fs::path& a, const fs::path& b) {
    std::error_code ignored;
    return fs::equivalent(a, b, ignored);
}

class CopyUpTest : public ::testing::TestWithParam<Hold> {
 protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "rk-copy-up-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        base_ = fs::canonical(name);
    }
    void TearDown() override { fs::remove_all(base_); }

    /// "" or the error's message.
    std::string copy(const std::vector<std::string>& directories) const {
        const Logger logger({.id = "test", .debug = false, .fd = 2, .terminal = false});
        if (GetParam() == Hold::kOpenTreeMissing && !filter_call(SYS_open_tree, ENOSYS)) {
            return "no seccomp";
        }
        if (GetParam() == Hold::kMoveMountForbidden && !filter_call(SYS_move_mount, EPERM)) {
            return "no seccomp";
        }
        const auto done = copy_up(directories, logger,
                                  GetParam() == Hold::kBind ? TreeApi::kBindOnly : TreeApi::kAuto);
        return done ? "" : done.error().message;
    }
    std::string path(const std::string& below) const { return (base_ / below).string(); }

    fs::path base_;
};

INSTANTIATE_TEST_SUITE_P(Holds, CopyUpTest,
                         ::testing::Values(Hold::kOpenTree, Hold::kBind, Hold::kOpenTreeMissing,
                                           Hold::kMoveMountForbidden));

TEST_P(CopyUpTest, LinksEveryEntry) {
    write_new(path("etc/shadow"), "secret");
    write_new(path("etc/.hidden"), "x");
    write_new(path("etc/ssl/cert"), "pem");
    write_new(path("etc/.ro12345/old"), "left over");
    fs::create_symlink("../somewhere/else", path("etc/localtime"));
    fs::create_symlink("ssl/cert", path("etc/cert"));
    test::run_in_namespace(0, [this](Report& report) {
        report.equal(copy({path("etc")}), "", "copy-up");
        report.expect(is_tmpfs(path("etc")), "/etc is a tmpfs");
        const std::string text = link_text(path("etc/shadow"));
        report.expect(std::regex_match(text, std::regex(R"(\.ro[0-9]+/shadow)")), text);
        const std::string holder = holder_of(path("etc/shadow"));
        report.equal(link_text(path("etc/.hidden")), holder + "/.hidden", "hidden entry");
        report.equal(link_text(path("etc/ssl")), holder + "/ssl", "directory entry");
        report.equal(link_text(path("etc/.ro12345")), holder + "/.ro12345", "older .ro entry");
        report.equal(link_text(path("etc/localtime")), "../somewhere/else", "symlink entry");
        report.equal(read_text(path("etc/shadow")), "secret", "content");
        report.equal(read_text(path("etc/cert")), "pem", "content through a symlink entry");
        report.equal(read_text(path("etc/.ro12345/old")), "left over", "older .ro content");
    });
}

TEST_P(CopyUpTest, KeepsModeAndLeavesTheHostAlone) {
    write_new(path("etc/file"), "old");
    fs::permissions(path("etc"), fs::perms{01750});
    ::umask(077);
    test::run_in_namespace(0, [this](Report& report) {
        report.equal(copy({path("etc/")}), "", "copy-up");
        report.equal(fmt::format("{:o}", mode_of(path("etc"))), "1750", "mode of the directory");
        const std::string mirror = path("etc/" + holder_of(path("etc/file")) + ".root");
        report.equal(fmt::format("{:o}", mode_of(mirror)), "755", "mode of the mirror");
        struct stat status {};
        report.expect(
            ::stat(path("etc").c_str(), &status) == 0 && status.st_uid == 0 && status.st_gid == 0,
            "owned by the mapped root");
        write_new(path("etc/new"), "only here");
        fs::remove(path("etc/file"));
    });
    ::umask(022);
    EXPECT_EQ(read_text(path("etc/file")), "old");
    EXPECT_EQ(std::distance(fs::directory_iterator(path("etc")), {}), 1);
}

TEST_P(CopyUpTest, WritesThroughLinksReachTheOriginal) {
    write_new(path("run/user/1000/pid"), "1");
    test::run_in_namespace(0, [this](Report& report) {
        report.equal(copy({path("run")}), "", "copy-up");
        write_new(path("run/user/1000/pid"), "2");
    });
    EXPECT_EQ(read_text(path("run/user/1000/pid")), "2");
}

// https://github.com/rootless-containers/rootlesskit/issues/225
TEST_P(CopyUpTest, RelativeSymlinksKeepResolving) {
    write_new(path("etc/ssl/cert"), "");
    fs::create_symlink("../../var/lib/ca", path("etc/ssl/certs"));
    fs::create_symlink("../../../../../../../../usr", path("etc/ssl/usr"));
    write_new(path("var/lib/ca/pem"), "pem");
    test::run_in_namespace(0, [this](Report& report) {
        report.equal(copy({path("etc")}), "", "copy-up");
        report.equal(read_text(path("etc/ssl/certs/pem")), "pem", "link to a neighbour");
        report.expect(same_file(path("etc/ssl/usr"), "/usr"), "link to the root");
    });
}

/// A directory of the root that is ours to fill: a tmpfs over one that every machine has.
std::optional<std::string> own_top_directory() {
    for (const char* name : {"/mnt", "/opt", "/srv"}) {
        if (::mount("none", name, "tmpfs", 0, nullptr) == 0) {
            return name;
        }
    }
    return std::nullopt;
}

TEST_P(CopyUpTest, RelativeSymlinksKeepResolvingAtDepthOne) {
    test::run_in_namespace(0, [this](Report& report) {
        const auto top = own_top_directory();
        if (!top) {
            return report.cannot_run("no directory to mount on");
        }
        fs::create_directories(*top + "/ssl/deep");
        fs::create_symlink("../../usr/bin", *top + "/ssl/bin");
        fs::create_symlink("../../../usr/bin", *top + "/ssl/deep/bin");
        report.equal(copy({*top}), "", "copy-up");
        report.expect(same_file(*top + "/ssl/bin", "/usr/bin"), "ssl/bin");
        report.expect(same_file(*top + "/ssl/deep/bin", "/usr/bin"), "ssl/deep/bin");
        report.equal(link_text(*top + "/" + holder_of(*top + "/ssl")),
                     holder_of(*top + "/ssl") + ".root" + *top, ".roN");
    });
}

TEST_P(CopyUpTest, RelativeSymlinksKeepResolvingAtDepthTwo) {
    test::run_in_namespace(0, [this](Report& report) {
        const auto top = own_top_directory();
        if (!top) {
            return report.cannot_run("no directory to mount on");
        }
        write_new(*top + "/lib/sub/x", "");
        write_new(*top + "/cache/y", "neighbour");
        fs::create_symlink("../../cache/y", *top + "/lib/sub/y");
        fs::create_symlink("../../../usr/bin", *top + "/lib/sub/bin");
        report.equal(copy({*top + "/lib"}), "", "copy-up");
        report.equal(read_text(*top + "/lib/sub/y"), "neighbour", "link to a neighbour");
        report.expect(same_file(*top + "/lib/sub/bin", "/usr/bin"), "link to the root");
    });
}

TEST_P(CopyUpTest, ShowsSubmounts) {
    fs::create_directories(path("etc/sub"));
    fs::create_directories(path("etc/upper/lower"));
    test::run_in_namespace(0, [this](Report& report) {
        for (const char* below : {"etc/sub", "etc/upper/lower"}) {
            report.expect(::mount("none", path(below).c_str(), "tmpfs", 0, nullptr) == 0, below);
            write_new(path(std::string(below) + "/file"), below);
        }
        report.equal(copy({path("etc")}), "", "copy-up");
        report.equal(read_text(path("etc/sub/file")), "etc/sub", "submount");
        report.equal(read_text(path("etc/upper/lower/file")), "etc/upper/lower", "deep submount");
    });
}

TEST_P(CopyUpTest, WorksOnAMountPoint) {
    fs::create_directories(path("run"));
    test::run_in_namespace(0, [this](Report& report) {
        for (const char* file : {"run/below", "run/a"}) {
            report.expect(::mount("none", path("run").c_str(), "tmpfs", 0, nullptr) == 0, file);
            write_new(path(file), file);
        }
        report.equal(copy({path("run")}), "", "copy-up");
        report.equal(read_text(path("run/a")), "run/a", "upper of two mounts");
        report.expect(!fs::exists(path("run/below")), "lower of two mounts is hidden");
    });
}

TEST_P(CopyUpTest, TheSameDirectoryTwice) {
    write_new(path("etc/sub/file"), "x");
    fs::create_directory_symlink("etc", path("alias"));
    test::run_in_namespace(0, [this](Report& report) {
        report.equal(copy({path("etc"), path("etc/"), path("alias"), path("./etc/../etc")}), "",
                     "copy-up");
        report.equal(read_text(path("etc/sub/file")), "x", "content");
        report.equal(link_text(path("etc/sub")), holder_of(path("etc/sub")) + "/sub", "link");
    });
}

TEST_P(CopyUpTest, ADirectoryBelowAnEarlierOne) {
    write_new(path("run/user/1000/sock"), "s");
    write_new(path("run/marker"), "m");
    fs::create_symlink("../../marker", path("run/user/1000/marker"));
    test::run_in_namespace(0, [this](Report& report) {
        report.equal(copy({path("run"), path("run/user"), path("run/user/1000")}), "", "copy-up");
        report.equal(read_text(path("run/user/1000/sock")), "s", "content");
        report.equal(read_text(path("run/user/1000/marker")), "m", "link upwards");
        for (const char* below : {"run/new", "run/user/new", "run/user/1000/new"}) {
            write_new(path(below), below);
            report.equal(read_text(path(below)), below, "new file");
        }
    });
    EXPECT_FALSE(fs::exists(path("run/user/new")));
    EXPECT_FALSE(fs::exists(path("run/user/1000/new")));
}

TEST_P(CopyUpTest, ADirectoryAboveAnEarlierOne) {
    write_new(path("run/user/1000/sock"), "s");
    write_new(path("run/marker"), "m");
    fs::create_symlink("../../marker", path("run/user/1000/marker"));
    test::run_in_namespace(0, [this](Report& report) {
        report.equal(copy({path("run/user"), path("run"), path("run/user"), path("run/user/1000")}),
                     "", "copy-up");
        report.equal(read_text(path("run/user/1000/sock")), "s", "content");
        report.equal(read_text(path("run/user/1000/marker")), "m", "link upwards");
        write_new(path("run/user/1000/new"), "n");
    });
    EXPECT_FALSE(fs::exists(path("run/user/1000/new")));
}

TEST_P(CopyUpTest, RealPathsOfNestedDirectoriesNameEachDirectoryOnce) {
    write_new(path("run/user/1000/sock"), "s");
    test::run_in_namespace(0, [this](Report& report) {
        report.equal(copy({path("run"), path("run/user")}), "", "copy-up");
        const std::string run = path("run") + "/" + holder_of(path("run/user")) + ".root";
        const std::string user =
            run + path("run/user") + "/" + holder_of(path("run/user/1000")) + ".root";
        report.equal(fs::canonical(path("run/user/1000")).string(), user + path("run/user/1000"),
                     "real path");
    });
}

TEST_P(CopyUpTest, ASymlinkToADirectory) {
    write_new(path("run/lock/file"), "x");
    fs::create_directory(path("var"));
    fs::create_directory_symlink("../run", path("var/run"));
    fs::create_symlink("../../var/run/lock/file", path("run/lock/link"));
    test::run_in_namespace(0, [this](Report& report) {
        report.equal(copy({path("var/run")}), "", "copy-up");
        report.expect(is_tmpfs(path("run")), "the target is covered");
        report.equal(link_text(path("var/run")), "../run", "the symlink stays");
        report.equal(read_text(path("run/lock/link")), "x", "links go by the real place");
    });
}

TEST_P(CopyUpTest, ARelativePath) {
    write_new(path("etc/sub/file"), "x");
    test::run_in_namespace(0, [this](Report& report) {
        report.expect(::chdir(base_.c_str()) == 0, "chdir");
        report.equal(copy({"./etc/"}), "", "copy-up");
        report.expect(is_tmpfs(path("etc")), "tmpfs");
        report.equal(read_text(path("etc/sub/file")), "x", "content");
    });
}

TEST_P(CopyUpTest, AnEmptyDirectory) {
    fs::create_directory(path("empty"));
    test::run_in_namespace(0, [this](Report& report) {
        report.equal(copy({path("empty")}), "", "copy-up");
        report.expect(is_tmpfs(path("empty")), "tmpfs");
    });
}

TEST_P(CopyUpTest, NamesWhatIsMissing) {
    write_new(path("etc/file"), "x");
    test::run_in_namespace(0, [this](Report& report) {
        report.equal(
            copy({path("etc"), path("none/")}),
            "failed to create bind mount on " + path("none") + ": no such file or directory",
            "missing");
        report.equal(copy({path("etc/file")}),
                     "failed to create bind mount on " + path("etc/file") + ": not a directory",
                     "file");
    });
    EXPECT_EQ(read_text(path("etc/file")), "x");
}

TEST_P(CopyUpTest, RefusesWhatCannotWork) {
    fs::create_directory_symlink("/", path("root"));
    test::run_in_namespace(0, [this](Report& report) {
        report.equal(copy({"/"}), "/ cannot be copied up", "/");
        report.equal(copy({path("root")}), "/ cannot be copied up", "a symlink to /");
        report.equal(copy({"/proc"}), "/proc cannot be copied up", "/proc");
        report.equal(copy({"/tmp/"}), "/tmp cannot be copied up", "/tmp/");
    });
}

TEST_P(CopyUpTest, TheSystemsOwnDirectories) {
    test::run_in_namespace(0, [this](Report& report) {
        report.equal(copy({"/etc", "/run", "/var/lib", "/opt", "/dev", "/sys"}), "", "copy-up");
        report.expect(fs::is_directory("/etc/ssl/../../usr"), "/etc/ssl/../../usr");
        report.expect(::open("/dev/null", O_RDWR | O_CLOEXEC) >= 0, "/dev/null opens");
        const int terminal = ::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
        report.expect(terminal >= 0 || !fs::exists("/dev/pts/ptmx"), "/dev/ptmx opens");
        report.expect(fs::is_directory("/sys/class/net/lo"), "/sys/class/net/lo");
    });
}

}  // namespace
}  // namespace rk::ns
