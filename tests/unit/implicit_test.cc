// SPDX-License-Identifier: Apache-2.0
// The running kernel is asked what waits in a network namespace of the test's.
#include "drivers/port/implicit.h"

#include "sys/file.h"
#include "sys/netlink.h"
#include "sys/netlink_request.h"
#include "sys/sockaddr.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "namespace_child.h"

namespace rk::drivers {
namespace {

using test::Report;

class RecordingPorts final : public PortDriver {
 public:
    [[nodiscard]] PortDriverInfo info() override { return {}; }
    [[nodiscard]] Result<model::PortStatus> add(const model::PortSpec& spec) override {
        published.emplace(++last_id, spec.in_braces());
        return model::PortStatus{last_id, spec};
    }
    [[nodiscard]] Result<void> remove(int id) override {
        published.erase(id);
        return {};
    }
    [[nodiscard]] std::vector<model::PortStatus> list() const override { return {}; }
    [[nodiscard]] Result<PortDriverStats> stats() override { return PortDriverStats{}; }

    std::map<int, std::string> published;
    int last_id = 0;
};

sys::Fd socket_at(int type, const char* address, std::uint16_t port) {
    const auto name = sys::to_sockaddr({*model::IpAddress::parse(address), port});
    sys::Fd socket(::socket(name.storage.ss_family, type | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket.number(), name.get(), name.length) < 0 ||
        (type == SOCK_STREAM && ::listen(socket.number(), 1) < 0)) {
        socket.reset();
    }
    return socket;
}

// One namespace, its sockets and who looks at them.
struct Stage {
    Logger logger{{.id = "test"}};
    sys::Fd diagnostics;
    sys::Fd range;
    RecordingPorts ports;
    std::unique_ptr<ImplicitPorts> implicit;
    std::vector<sys::Fd> sockets;

    explicit Stage(Report& report) {
        report.expect(sys::bring_up_loopback().has_value(), "lo");
        auto socket = sys::NetlinkSocket::open(NETLINK_SOCK_DIAG);
        report.expect(socket.has_value(), "socket diagnostics");
        diagnostics = std::move(*socket).release();
        range = *sys::open_file("/proc/sys/net/ipv4/ip_local_port_range", O_RDONLY);
        implicit =
            std::make_unique<ImplicitPorts>(ImplicitParts{diagnostics, range, ports}, logger);
    }
    void add(Report& report, int type, const char* address, std::uint16_t port) {
        sockets.push_back(socket_at(type, address, port));
        report.expect(sockets.back().valid(), fmt::format("{} {}", address, port));
    }
    // What is published after a whole round, sorted.
    [[nodiscard]] std::string look() const {
        while (!implicit->look(std::chrono::steady_clock::now())) {
        }
        std::vector<std::string> texts;
        for (const auto& [id, text] : ports.published) {
            texts.push_back(text);
        }
        std::sort(texts.begin(), texts.end());
        return fmt::format("{}", fmt::join(texts, " "));
    }
};

TEST(ImplicitPorts, FollowWhatTheKernelLists) {
    test::run_in_namespace(CLONE_NEWNET, [](Report& report) {
        Stage stage(report);
        report.equal(stage.look(), "", "nothing yet");
        stage.add(report, SOCK_STREAM, "127.0.0.1", 80);
        stage.add(report, SOCK_STREAM, "::1", 81);
        stage.add(report, SOCK_STREAM, "::", 82);
        stage.add(report, SOCK_DGRAM, "0.0.0.0", 2053);
        stage.add(report, SOCK_DGRAM, "0.0.0.0", 40000);
        report.equal(stage.look(),
                     "{tcp4 127.0.0.1 80 80 127.0.0.1} {tcp4 127.0.0.1 82 82 } "
                     "{tcp6 ::1 81 81 ::1} {tcp6 ::1 82 82 } {udp4 127.0.0.1 2053 2053 }",
                     "servers");
        report.expect(test::write_text("/proc/sys/net/ipv4/ip_local_port_range", "2000 2100"),
                      "another range");
        stage.sockets.erase(stage.sockets.begin(), stage.sockets.begin() + 3);
        report.equal(stage.look(), "{udp4 127.0.0.1 40000 40000 }", "the range has moved");
        stage.sockets.clear();
        report.equal(stage.look(), "", "all closed");
    });
}

TEST(ImplicitPorts, ConnectedSocketsDoNotWait) {
    test::run_in_namespace(CLONE_NEWNET, [](Report& report) {
        Stage stage(report);
        stage.add(report, SOCK_STREAM, "127.0.0.1", 80);
        stage.add(report, SOCK_STREAM, "127.0.0.1", 0);
        const auto server = sys::to_sockaddr({*model::IpAddress::parse("127.0.0.1"), 80});
        const sys::Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        report.expect(::connect(client.number(), server.get(), server.length) == 0, "connect");
        stage.sockets.pop_back();
        stage.add(report, SOCK_DGRAM, "127.0.0.1", 53);
        report.expect(::connect(stage.sockets.back().number(), server.get(), server.length) == 0,
                      "udp");
        report.equal(stage.look(), "{tcp4 127.0.0.1 80 80 127.0.0.1}", "the listener alone");
    });
}

// More than the kernel puts into the datagrams of one look.
TEST(ImplicitPorts, ARoundIsAsLongAsItTakes) {
    test::run_in_namespace(CLONE_NEWNET, [](Report& report) {
        Stage stage(report);
        for (int i = 0; i < 800; ++i) {
            stage.add(report, SOCK_STREAM, fmt::format("127.1.{}.{}", i / 200, i % 200).c_str(),
                      static_cast<std::uint16_t>(1000 + i % 2));
        }
        report.equal(stage.look(),
                     "{tcp4 127.0.0.1 1000 1000 127.1.0.0} {tcp4 127.0.0.1 1001 1001 127.1.0.1}",
                     "the lowest of each");
    });
}

}  // namespace
}  // namespace rk::drivers
