// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <array>
#include <cctype>
#include <csignal>
#include <cstring>

namespace rk {

std::string errno_text(int code) {
    const char* description = strerrordesc_np(code);
    if (description == nullptr) {
        return fmt::format("errno {}", code);
    }
    std::string text = description;
    // Go's table was made from the same texts; it lowers the first letter unless the word is an
    // acronym ("RPC ...", ".lib ...").
    if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0) {
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    }
    return text;
}

namespace {

struct SignalName {
    int number;
    std::string_view text;
};

// Go's syscall.signals for Linux; real-time signals have no name there.
constexpr std::array kSignalNames = {
    SignalName{SIGHUP, "hangup"},
    SignalName{SIGINT, "interrupt"},
    SignalName{SIGQUIT, "quit"},
    SignalName{SIGILL, "illegal instruction"},
    SignalName{SIGTRAP, "trace/breakpoint trap"},
    SignalName{SIGABRT, "aborted"},
    SignalName{SIGBUS, "bus error"},
    SignalName{SIGFPE, "floating point exception"},
    SignalName{SIGKILL, "killed"},
    SignalName{SIGUSR1, "user defined signal 1"},
    SignalName{SIGSEGV, "segmentation fault"},
    SignalName{SIGUSR2, "user defined signal 2"},
    SignalName{SIGPIPE, "broken pipe"},
    SignalName{SIGALRM, "alarm clock"},
    SignalName{SIGTERM, "terminated"},
};

}  // namespace

std::string signal_text(int signal_number) {
    for (const SignalName& name : kSignalNames) {
        if (name.number == signal_number) {
            return std::string(name.text);
        }
    }
    return fmt::format("signal {}", signal_number);
}

Error errno_error(int code, std::string_view what) {
    return Error{fmt::format("{}: {}", what, errno_text(code)), code};
}

}  // namespace rk
