// SPDX-License-Identifier: Apache-2.0
// Arguments separated by zero bytes. A run has a command; an exit says why.
#include "base/text.h"
#include "tools/command_line.h"

#include <cstdlib>

namespace {

void check(const rk::tools::Run& run) {
    const bool fits = run.options.state_dir.size() <= 98 && run.options.mtu <= 65521;
    if (run.options.command.empty() || !fits) {
        std::abort();
    }
    for (const std::string& directory : run.options.copy_up) {
        if (directory.empty() || directory == "/" || directory == "/tmp") {
            std::abort();
        }
    }
}

void check(const rk::tools::Exit& exit) {
    if ((exit.code == 0) != exit.fatal.empty() || (exit.code == 0 && exit.to_stdout.empty())) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    std::vector<std::string> argv = {"rootlesskit"};
    for (const std::string_view argument : rk::split(text, '\0')) {
        argv.emplace_back(argument);
    }
    std::visit([](const auto& result) { check(result); },
               rk::tools::parse_command_line(argv, "3.3.0+cxx.0.1.0"));
    return 0;
}
