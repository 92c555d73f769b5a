// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rk::sys {

/// A copy of an environment block, kept in order: the command must get its caller's, unchanged but
/// for what we set or remove.
class Environment {
 public:
    Environment() = default;
    explicit Environment(std::vector<std::string> entries) : entries_(std::move(entries)) {}
    /// This process's block.
    [[nodiscard]] static Environment of_process();

    /// The value of the first NAME=VALUE entry, as getenv(3).
    [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const;
    /// Replaces every entry of that name by one.
    void set(std::string_view name, std::string_view value);
    void remove(std::string_view name);
    [[nodiscard]] const std::vector<std::string>& entries() const { return entries_; }

 private:
    std::vector<std::string> entries_;
};

/// A null-terminated char* array over strings, as exec wants it. Borrows: keep the strings alive
/// and unchanged.
[[nodiscard]] std::vector<char*> exec_vector(const std::vector<std::string>& strings);

/// Finds a program as Go's exec.LookPath does: a name with '/' is used as it is, others are looked
/// for in `path` (the value of PATH; empty parts mean "."). It must be a regular file this process
/// may execute. Errors, in Go's words: `exec: "NAME": executable file not found in $PATH`,
/// `exec: "NAME": permission denied`, `exec: "NAME": stat NAME: no such file or directory`.
[[nodiscard]] Result<std::string> look_up_program(const std::string& name, std::string_view path);

}  // namespace rk::sys
