// SPDX-License-Identifier: Apache-2.0
#include "tools/docker_proxy.h"

#include "api/client.h"
#include "base/log.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/signals.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace rk::tools {

namespace {

constexpr const char* kRealProxy = "docker-proxy";
constexpr int kStatusFd = 3;  // fixed by dockerd
constexpr int kExitUsage = 2;

void to_stderr(std::string_view text) {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

// "2026/11/21 21:05:06 text"
void log_stamped(std::string_view text) {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    to_stderr(fmt::format("{:04}/{:02}/{:02} {:02}:{:02}:{:02} {}\n", local.tm_year + 1900,
                          local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min,
                          local.tm_sec, text));
}

void log_warning(std::string_view text) {
    to_stderr(format_log_line(LogLevel::kWarning, text, false, std::time(nullptr), 0));
}

/// dockerd's status pipe, until it is handed over.
class StatusPipe {
 public:
    // Started by hand there may be no descriptor 3.
    StatusPipe() : fd_(::fcntl(kStatusFd, F_GETFD) < 0 ? -1 : kStatusFd) {}
    void write(std::string_view text) const {
        if (fd_.valid()) {
            [[maybe_unused]] const auto written = ::write(fd_.number(), text.data(), text.size());
        }
    }
    /// The real proxy holds it now: dockerd must see the end when that one dies.
    void hand_over() { fd_.reset(); }

 private:
    sys::Fd fd_;
};

int report(const StatusPipe& pipe, std::string_view message) {
    pipe.write(fmt::format("1\n{}", message));
    log_stamped(message);
    return 1;
}

void restore_signals(const sigset_t& mask) {
    ::sigprocmask(SIG_SETMASK, &mask, nullptr);
}

// In the child, or in place of ourselves. Returns only where exec failed.
Error exec_program(const std::string& path, const std::vector<std::string>& argv,
                   const sys::Environment& environment, const sigset_t& mask) {
    std::vector<char*> arguments = sys::exec_vector(argv);
    std::vector<char*> variables = sys::exec_vector(environment.entries());
    restore_signals(mask);
    ::execve(path.c_str(), arguments.data(), variables.data());
    return errno_error(errno, fmt::format("fork/exec {}", path));
}

Result<std::string> find_real_proxy(const sys::Environment& environment) {
    return sys::look_up_program(kRealProxy, environment.get("PATH").value_or(""));
}

Result<void> become_real_proxy(const std::vector<std::string>& argv,
                               const sys::Environment& environment, const sigset_t& mask) {
    const std::string path = TRY(find_real_proxy(environment));
    std::vector<std::string> arguments = {kRealProxy};
    if (!argv.empty()) {
        arguments.insert(arguments.end(), argv.begin() + 1, argv.end());
    }
    return fail(exec_program(path, arguments, environment, mask));
}

/// The published port: removed at the end of its life.
class PublishedPort {
 public:
    static Result<PublishedPort> add(api::Client& client, const model::PortFields& spec) {
        const std::string body =
            TRY_CTX(client.add_port(spec), "error while calling PortManager.AddPort()");
        const api::PortRecord added = TRY(api::decode_status(body));
        client.disconnect();
        return PublishedPort(client, added.id);
    }
    PublishedPort(const PublishedPort&) = delete;
    PublishedPort& operator=(const PublishedPort&) = delete;
    PublishedPort(PublishedPort&& other) noexcept
        : client_(std::exchange(other.client_, nullptr)), id_(other.id_) {}
    PublishedPort& operator=(PublishedPort&&) = delete;
    ~PublishedPort() {
        if (client_ == nullptr) {
            return;
        }
        const auto removed = client_->remove_port(id_);
        if (!removed) {
            log_warning(fmt::format("cannot remove port {}: {}", id_, removed.error().message));
        }
    }

 private:
    PublishedPort(api::Client& client, std::int64_t id) : client_(&client), id_(id) {}
    api::Client* client_;  // outlives us
    std::int64_t id_;
};

Result<pid_t> start_real_proxy(const std::string& path, const ProxyPlan& plan,
                               const sys::Environment& environment, const sigset_t& mask,
                               const StatusPipe& pipe) {
    std::vector<std::string> argv = {kRealProxy};
    argv.insert(argv.end(), plan.arguments.begin(), plan.arguments.end());
    const pid_t self = ::getpid();
    const pid_t pid = TRY(sys::clone_process(0));
    if (pid == 0) {
        sys::die_with_parent();
        if (::getppid() != self) {
            ::_exit(1);  // it died before the line above
        }
        const Error error = exec_program(path, argv, environment, mask);
        ::_exit(report(pipe, error.message));
    }
    return pid;
}

bool means_end(int signal_number) {
    return signal_number == SIGINT || signal_number == SIGTERM || signal_number == SIGHUP ||
           signal_number == SIGQUIT;
}

// Until the real proxy has ended, by itself or because we were told to end.
int keep_company(pid_t proxy, const sys::SignalFd& signals) {
    for (;;) {
        // Its end may have been signalled before we looked.
        if (const auto event = sys::next_child_event(proxy);
            event && event->kind == sys::ChildEvent::Kind::kExited) {
            log_stamped(fmt::format("{} ended: {}", kRealProxy, event->status.text()));
            return event->status.exit_code();
        }
        pollfd ready{signals.fd().number(), POLLIN, 0};
        ::poll(&ready, 1, -1);
        while (const auto signal = signals.next()) {
            if (means_end(signal->number)) {
                sys::kill_hard(proxy);
                sys::wait_for_exit(proxy);
                return 0;
            }
        }
    }
}

Result<int> publish(api::Client& client, const ProxyPlan& plan, const sys::Environment& environment,
                    const sigset_t& mask, StatusPipe& pipe) {
    const sys::SignalFd signals = TRY(sys::SignalFd::open());
    const std::string path = TRY(find_real_proxy(environment));
    const PublishedPort port = TRY(PublishedPort::add(client, plan.spec));
    const pid_t proxy = TRY(start_real_proxy(path, plan, environment, mask, pipe));
    pipe.hand_over();
    return keep_company(proxy, signals);
}

Result<int> run(const ProxyRequest& request, const std::vector<std::string>& argv,
                const sys::Environment& environment, const sigset_t& mask, StatusPipe& pipe) {
    const auto state_dir = environment.get("ROOTLESSKIT_STATE_DIR");
    if (!state_dir || state_dir->empty()) {
        return fail("$ROOTLESSKIT_STATE_DIR needs to be set");
    }
    const std::string socket = sys::clean_path(fmt::format("{}/api.sock", *state_dir));
    api::Client client = TRY_CTX(api::Client::open(socket), "cannot reach the API of RootlessKit");
    const api::Info info =
        TRY_CTX(client.info(), "failed to call info API, probably RootlessKit binary is too old");
    const ProxyPlan plan = TRY(plan_proxy(request, info));
    switch (plan.action) {
        case ProxyPlan::Action::kRunRealProxy:
            TRY(become_real_proxy(argv, environment, mask));
            break;
        case ProxyPlan::Action::kIgnore:
            log_warning(plan.warning);
            pipe.write("0\n");
            break;
        case ProxyPlan::Action::kPublish:
            return publish(client, plan, environment, mask, pipe);
    }
    return 0;
}

}  // namespace

int run_docker_proxy(const std::vector<std::string>& argv, const sys::Environment& environment,
                     const sigset_t& callers_mask) {
    const std::span<const std::string> words(argv);
    const auto flags = FlagSet::parse(docker_proxy_flags(), words.subspan(argv.empty() ? 0 : 1));
    if (!flags) {
        to_stderr(fmt::format("{}\n{}", flags.error().message, docker_proxy_usage()));
        return kExitUsage;
    }
    if (flags->boolean("help")) {
        to_stderr(docker_proxy_usage());
        return 0;
    }
    StatusPipe pipe;
    const auto code = run(proxy_request(*flags), argv, environment, callers_mask, pipe);
    return code ? *code : report(pipe, code.error().message);
}

}  // namespace rk::tools
