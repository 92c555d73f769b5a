// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// `rootlessctl stats --watch` asks again and again. Between two answers it waits for whichever
// comes first: the time, a signal that ends it, or the end of the connection. SIGINT, SIGTERM and
// SIGHUP are blocked meanwhile and read from a descriptor, so the table is always printed whole and
// the exit code is 0. The connection may end because the server needs its place (it is then made
// anew), or because rootlesskit has ended, which ends the watch, too, and is no error.
//
// On a terminal the table is drawn in place and cut to the height of the window.
#pragma once

#include "api/client.h"
#include "base/result.h"

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace rk::tools {

struct WatchOptions {
    bool json = false;
    std::chrono::milliseconds interval{1000};
};

/// Prints GET /v1/stats until interrupted or until the server is gone. Fails where there is no
/// first answer, or where the server refuses a later one.
[[nodiscard]] Result<void> watch_stats(api::Client& client, const WatchOptions& options);

/// The interval of a flag, in seconds: "0.5". Error: `invalid interval "x": ...`.
[[nodiscard]] Result<std::chrono::milliseconds> parse_interval(std::string_view text);

/// A window of a terminal, in characters.
struct Window {
    std::size_t rows = 24;
    std::size_t columns = 80;
};

/// As many lines of `text` as the window shows without scrolling, long ones in several rows; a last
/// one says how many are missing.
[[nodiscard]] std::string fit_window(std::string_view text, const Window& window);

}  // namespace rk::tools
