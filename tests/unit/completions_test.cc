// SPDX-License-Identifier: Apache-2.0
// completions/ is what the tables of flags make. RK_UPDATE_GOLDEN=1 writes the files.
#include "tools/completions.h"

#include "sys/file.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

#include <fcntl.h>

namespace rk::tools {
namespace {

TEST(Completions, AreCurrent) {
    struct Script {
        Shell shell;
        std::string_view directory;
        std::string_view form;  // {} = the program
    };
    constexpr std::array<Script, 3> kScripts = {{{Shell::kBash, "bash", "{}"},
                                                 {Shell::kZsh, "zsh", "_{}"},
                                                 {Shell::kFish, "fish", "{}.fish"}}};
    for (const Script& script : kScripts) {
        for (const std::string_view program :
             {"rootlesskit", "rootlessctl", "rootlesskit-docker-proxy"}) {
            const std::string directory =
                fmt::format("{}/completions/{}", RK_TEST_SOURCE_DIR, script.directory);
            const std::string path =
                directory + "/" + fmt::format(fmt::runtime(script.form), program);
            const std::string expected = render_completion(script.shell, program);
            if (std::getenv("RK_UPDATE_GOLDEN") != nullptr) {
                ASSERT_TRUE(sys::make_directories(directory));
                ASSERT_TRUE(sys::write_file_at(sys::FdRef(AT_FDCWD), path, expected, mode_t{0644}));
            }
            EXPECT_EQ(sys::read_file(path).value_or(""), expected) << path;
        }
    }
}

}  // namespace
}  // namespace rk::tools
