// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"

#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace rk::sys {

/// Target text of a symlink in a directory; empty where the entry is none.
[[nodiscard]] std::optional<std::string> read_link_at(FdRef directory, const std::string& name);

/// Creates the symlink NAME with that target text. Error: "symlink NAME: why".
[[nodiscard]] Result<void> make_symlink_at(FdRef directory, const std::string& name,
                                           const std::string& text);

/// Creates a directory with exactly `mode`, whatever the umask. Error: "mkdir NAME: why".
[[nodiscard]] Result<void> make_directory_at(FdRef directory, const std::string& name, mode_t mode);

/// Removes one entry: a file, a link or an *empty* directory. Never recurses.
/// Error: "remove NAME: why".
[[nodiscard]] Result<void> remove_entry_at(FdRef directory, const std::string& name);

/// Whether an open directory holds nothing but that entry, or nothing at all. Needs no further
/// descriptor, so it works at the limit of open files. False where the directory cannot be read.
[[nodiscard]] bool has_no_entry_but(FdRef directory, std::string_view name);

/// The path without symlinks, "." and ".." (realpath(3)). Error: "resolve PATH: why".
[[nodiscard]] Result<std::string> resolve_path(const std::string& path);

}  // namespace rk::sys
