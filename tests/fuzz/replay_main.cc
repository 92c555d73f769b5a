// SPDX-License-Identifier: Apache-2.0
//
// Runs a fuzz target over files instead of generated input: every argument is a file or a directory
// of files, a missing one counts as empty. Finding nothing at all is an error, because a test that
// runs over no input proves nothing.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

bool replay_file(const fs::path& path) {
    std::ifstream input(path, std::ios::binary);
    if (!input) {
        std::fprintf(stderr, "replay: cannot read %s\n", path.c_str());
        return false;
    }
    const std::vector<char> bytes(std::istreambuf_iterator<char>(input), {});
    // An exact copy on the heap, so that AddressSanitizer sees a read past the end.
    const std::vector<std::uint8_t> data(bytes.begin(), bytes.end());
    LLVMFuzzerTestOneInput(data.data(), data.size());
    return true;
}

std::vector<fs::path> files_of(const fs::path& argument) {
    std::vector<fs::path> files;
    std::error_code ignored;
    if (fs::is_directory(argument, ignored)) {
        for (const auto& entry : fs::directory_iterator(argument)) {
            if (entry.is_regular_file()) {
                files.push_back(entry.path());
            }
        }
    } else if (fs::exists(argument, ignored)) {
        files.push_back(argument);
    }
    return files;
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t replayed = 0;
    for (int i = 1; i < argc; ++i) {
        for (const auto& file : files_of(argv[i])) {
            // Said before the call: a crash then names its input.
            std::printf("replay %s\n", file.c_str());
            std::fflush(stdout);
            if (!replay_file(file)) {
                return 1;
            }
            ++replayed;
        }
    }
    std::printf("%zu inputs replayed\n", replayed);
    return replayed > 0 ? 0 : 1;
}
