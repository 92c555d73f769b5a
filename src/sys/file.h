// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>
#include <sys/types.h>

namespace rk::sys {

/// No file this program reads is larger than this (bytes); a larger one is an error, not an
/// allocation. mountinfo of a busy container host is the biggest we met, about 300 KiB.
inline constexpr std::size_t kMaxFileBytes = std::size_t{8} << 20U;

/// Opens with O_CLOEXEC added. Error: "open PATH: why".
[[nodiscard]] Result<Fd> open_file(const std::string& path, int flags, mode_t mode = 0);
/// The same relative to a directory.
[[nodiscard]] Result<Fd> open_at(FdRef directory, const std::string& name, int flags,
                                 mode_t mode = 0);

/// The whole file, at most `limit` bytes. Error: "open PATH: why" or "read PATH: why".
[[nodiscard]] Result<std::string> read_file(const std::string& path,
                                            std::size_t limit = kMaxFileBytes);
/// The rest of an open file.
[[nodiscard]] Result<std::string> read_all(FdRef fd, std::string_view name,
                                           std::size_t limit = kMaxFileBytes);

/// One write(2) of the whole text to an existing file, as /proc and cgroup files want it.
[[nodiscard]] Result<void> write_existing(const std::string& path, std::string_view text);

/// Creates or truncates NAME in a directory and writes the text. Error: "write NAME: why".
[[nodiscard]] Result<void> write_file_at(FdRef directory, const std::string& name,
                                         std::string_view text, mode_t mode);
/// Writes under a temporary name with exactly `mode`, then renames: a reader sees the old file,
/// none or the whole new one.
[[nodiscard]] Result<void> replace_file_at(FdRef directory, const std::string& name,
                                           std::string_view text, mode_t mode);

/// stat/lstat; empty where the path does not exist or cannot be reached.
[[nodiscard]] std::optional<struct stat> stat_path(const std::string& path);
[[nodiscard]] std::optional<struct stat> lstat_path(const std::string& path);

/// mkdir -p: missing parents get 0755 & umask, so does the last one.
[[nodiscard]] Result<void> make_directories(const std::string& path);

/// Names in a directory, without "." and "..", unsorted. Error: "read directory PATH: why".
[[nodiscard]] Result<std::vector<std::string>> list_directory(const std::string& path);
[[nodiscard]] Result<std::vector<std::string>> list_directory(FdRef directory,
                                                              std::string_view name);

/// Target text of a symlink; empty where it is none.
[[nodiscard]] std::optional<std::string> read_link(const std::string& path);

/// Makes an absolute path without ".", ".." or doubled slashes; textual, symlinks stay
/// (Go's filepath.Abs). Fails only where the current directory is gone.
[[nodiscard]] Result<std::string> absolute_path(std::string_view path);
/// The same cleaning without making it absolute (Go's filepath.Clean).
[[nodiscard]] std::string clean_path(std::string_view path);

}  // namespace rk::sys
