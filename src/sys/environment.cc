// SPDX-License-Identifier: Apache-2.0
#include "sys/environment.h"

#include "base/text.h"
#include "sys/file.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace rk::sys {

namespace {

bool names(std::string_view entry, std::string_view name) {
    return entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=';
}

// 0 where PATH is a program we may run, otherwise the errno that says why not.
int executable_problem(const std::string& path) {
    const auto status = stat_path(path);
    if (!status) {
        return errno;
    }
    if (S_ISDIR(status->st_mode)) {
        return EISDIR;
    }
    // AT_EACCESS: what execve(2) will check, not the real ids.
    if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) < 0) {
        return errno;
    }
    return 0;
}

}  // namespace

Environment Environment::of_process() {
    std::vector<std::string> entries;
    for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
        entries.emplace_back(*entry);
    }
    return Environment(std::move(entries));
}

std::optional<std::string_view> Environment::get(std::string_view name) const {
    for (const std::string& entry : entries_) {
        if (names(entry, name)) {
            return std::string_view(entry).substr(name.size() + 1);
        }
    }
    return std::nullopt;
}

void Environment::set(std::string_view name, std::string_view value) {
    remove(name);
    entries_.push_back(fmt::format("{}={}", name, value));
}

void Environment::remove(std::string_view name) {
    std::erase_if(entries_, [&](const std::string& entry) { return names(entry, name); });
}

std::vector<char*> exec_vector(const std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    pointers.reserve(strings.size() + 1);
    for (const std::string& text : strings) {
        // execve(2) takes char* for history's sake and does not write to the strings.
        pointers.push_back(const_cast<char*>(text.c_str()));  // NOLINT(*-const-cast)
    }
    pointers.push_back(nullptr);
    return pointers;
}

Result<std::string> look_up_program(const std::string& name, std::string_view path) {
    const auto refuse = [&](std::string_view why, int code) {
        return fail(Error{fmt::format("exec: {}: {}", quote(name), why), code});
    };
    if (name.find('/') != std::string::npos) {
        const int problem = executable_problem(name);
        if (problem == ENOENT || problem == ENOTDIR) {
            return refuse(fmt::format("stat {}: {}", name, errno_text(problem)), problem);
        }
        if (problem != 0) {
            return refuse(errno_text(problem), problem);
        }
        return name;
    }
    if (!name.empty()) {
        for (const std::string_view directory : split(path, ':')) {
            const std::string candidate =
                fmt::format("{}/{}", directory.empty() ? "." : directory, name);
            if (executable_problem(candidate) == 0) {
                return candidate;
            }
        }
    }
    return refuse("executable file not found in $PATH", ENOENT);
}

}  // namespace rk::sys
