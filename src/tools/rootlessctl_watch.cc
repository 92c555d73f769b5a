// SPDX-License-Identifier: Apache-2.0
#include "tools/rootlessctl_watch.h"

#include "base/text.h"
#include "sys/clock.h"
#include "tools/rootlessctl_text.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <initializer_list>
#include <optional>
#include <vector>

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace rk::tools {

namespace {

using Clock = std::chrono::steady_clock;

// Home and clear to the end: less flicker than clearing first (ECMA-48).
constexpr std::string_view kRedraw = "\x1b[H\x1b[J";
// Seconds. More often than ten times a second nobody reads; an hour is as good as never.
constexpr double kShortestInterval = 0.1;
constexpr double kLongestInterval = 3600;

Result<void> print(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
        std::fflush(stdout) != 0) {
        return fail("cannot write to standard output");
    }
    return {};
}

// The signals that end the watch, as a descriptor; blocked for this object's life.
class EndingSignals {
 public:
    EndingSignals() {
        ::sigemptyset(&set_);
        for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
            ::sigaddset(&set_, number);
        }
        ::sigprocmask(SIG_BLOCK, &set_, &before_);
        fd_ = sys::Fd(::signalfd(-1, &set_, SFD_CLOEXEC | SFD_NONBLOCK));
    }
    EndingSignals(const EndingSignals&) = delete;
    EndingSignals& operator=(const EndingSignals&) = delete;
    EndingSignals(EndingSignals&&) = delete;
    EndingSignals& operator=(EndingSignals&&) = delete;
    // What has come is taken, so that it does not end the program when it is let through.
    ~EndingSignals() {
        signalfd_siginfo one{};
        while (::read(fd_.number(), &one, sizeof one) > 0) {
        }
        ::sigprocmask(SIG_SETMASK, &before_, nullptr);
    }

    [[nodiscard]] sys::FdRef fd() const { return fd_; }

 private:
    sigset_t set_{};
    sigset_t before_{};
    sys::Fd fd_;
};

enum class Pause { kOver, kInterrupted, kServerGone };

// The connection's end is news once; afterwards only time and signals are waited for.
Pause pause(const EndingSignals& signals, api::Client& client, sys::Deadline deadline) {
    for (;;) {
        std::array<pollfd, 2> waits = {pollfd{signals.fd().number(), POLLIN, 0},
                                       pollfd{client.connection().number(), POLLIN, 0}};
        const int ready = ::poll(waits.data(), waits.size(), deadline.poll_timeout());
        if (ready == 0) {
            return Pause::kOver;
        }
        if (waits[0].revents != 0) {
            return Pause::kInterrupted;
        }
        if (ready > 0 && waits[1].revents != 0) {
            client.disconnect();
            if (!client.reachable()) {
                return Pause::kServerGone;
            }
        }
    }
}

std::optional<Window> terminal_window() {
    if (::isatty(STDOUT_FILENO) != 1) {
        return std::nullopt;
    }
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0) {
        return Window{};
    }
    return Window{size.ws_row, size.ws_col};
}

// What is printed of one answer, with rates since the one before.
class Display {
 public:
    explicit Display(bool json) : json_(json) {}

    [[nodiscard]] Result<void> show(const std::string& body) {
        if (json_) {
            return print(body + "\n");
        }
        api::Stats stats = TRY(api::decode_stats(body));
        const Clock::time_point now = Clock::now();
        const std::chrono::duration<double> passed = now - before_at_;
        const std::string text =
            render_stats(stats, before_ ? &*before_ : &stats, before_ ? passed.count() : 1);
        before_ = std::move(stats);
        before_at_ = now;
        const auto window = terminal_window();
        return print(window ? std::string(kRedraw) + fit_window(text, *window) : text);
    }

 private:
    bool json_;
    std::optional<api::Stats> before_;
    Clock::time_point before_at_;
};

}  // namespace

Result<std::chrono::milliseconds> parse_interval(std::string_view text) {
    double seconds = 0;
    const auto [end, code] =
        std::from_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed);
    if (code != std::errc() || end != text.data() + text.size()) {
        return fail("invalid interval {}: not a number of seconds", quote(text));
    }
    if (!(seconds >= kShortestInterval && seconds <= kLongestInterval)) {
        return fail("invalid interval {}: must be {} to {} seconds", quote(text), kShortestInterval,
                    kLongestInterval);
    }
    return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

std::string fit_window(std::string_view text, const Window& window) {
    if (text.ends_with('\n')) {
        text.remove_suffix(1);
    }
    const std::vector<std::string_view> lines = split(text, '\n');
    const std::size_t columns = std::max<std::size_t>(window.columns, 1);
    std::size_t room = window.rows;
    std::string fitted;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const std::size_t needed =
            std::max<std::size_t>((lines[i].size() + columns - 1) / columns, 1);
        // Two more: for the line that counts the rest, and for the cursor.
        const std::size_t kept_free = i + 1 < lines.size() ? 2 : 1;
        if (room < needed + kept_free) {
            return fitted + fmt::format("... {} more lines\n", lines.size() - i);
        }
        room -= needed;
        fitted += lines[i];
        fitted += '\n';
    }
    return fitted;
}

Result<void> watch_stats(api::Client& client, const WatchOptions& options) {
    const EndingSignals signals;
    Display display(options.json);
    std::string body = TRY(client.get("/v1/stats"));
    for (;;) {
        TRY(display.show(body));
        const Pause ended = pause(signals, client, sys::Deadline::after(options.interval));
        if (ended == Pause::kServerGone) {
            static_cast<void>(std::fputs("rootlesskit has ended\n", stderr));
        }
        if (ended != Pause::kOver) {
            return {};
        }
        auto next = client.get("/v1/stats");
        if (!next && !client.reachable()) {
            static_cast<void>(std::fputs("rootlesskit has ended\n", stderr));
            return {};
        }
        body = TRY(std::move(next));
    }
}

}  // namespace rk::tools
