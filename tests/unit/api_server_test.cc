// SPDX-License-Identifier: Apache-2.0
// The server on a real socket, run step by step by the test's own loop: no threads, no sleeps.
#include "api/client.h"
#include "api/server.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/unix_stream.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api_fake_driver.h"

namespace rk::api {
namespace {

using std::chrono::milliseconds;
using testing_helpers::FakeDriver;
using testing_helpers::make_service;

constexpr std::string_view kGetInfo = "GET /v1/info HTTP/1.1\r\nHost: x\r\n\r\n";

class ApiServer : public ::testing::Test {
 protected:
    void SetUp() override {
        std::string pattern = ::testing::TempDir() + "rk-api-XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        options_.path = directory_ + "/api.sock";
    }
    void TearDown() override {
        server_.reset();
        EXPECT_FALSE(sys::stat_path(options_.path));
        EXPECT_EQ(::rmdir(directory_.c_str()), 0);
    }

    void start() {
        auto server = Server::listen(options_, make_service(&driver_), log_);
        ASSERT_TRUE(server) << server.error().message;
        server_ = *std::move(server);
        ASSERT_TRUE(server_->serve(loop_));
    }
    sys::Fd connect() {
        auto socket = sys::connect_unix_stream(options_.path);
        EXPECT_TRUE(socket) << socket.error().message;
        return *std::move(socket);
    }
    static void send(const sys::Fd& socket, std::string_view bytes) {
        EXPECT_EQ(::send(socket.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
    }
    // Runs the loop until nothing happens for a moment.
    void settle(milliseconds quiet = milliseconds(20)) {
        while (loop_.run_once(sys::Deadline::after(quiet)).value_or(false)) {
        }
    }
    struct Received {
        std::string bytes;
        bool ended = false;
    };
    Received receive(const sys::Fd& socket) {
        Received received;
        std::array<char, 65536> buffer{};
        for (;;) {
            settle(milliseconds(5));
            const ssize_t got = ::recv(socket.number(), buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (got <= 0) {
                received.ended = got == 0 || errno == ECONNRESET;
                return received;
            }
            received.bytes.append(buffer.data(), static_cast<std::size_t>(got));
        }
    }
    static std::size_t count(std::string_view text, std::string_view what) {
        std::size_t found = 0;
        for (std::size_t at = text.find(what); at != std::string_view::npos;
             at = text.find(what, at + 1)) {
            ++found;
        }
        return found;
    }

    std::string directory_;
    Server::Options options_;
    FakeDriver driver_;
    sys::Fd log_file_ = *sys::open_file("/dev/null", O_WRONLY);
    Logger log_{{.id = "parent", .debug = false, .fd = log_file_.number(), .terminal = false}};
    loop::EventLoop loop_ = *loop::EventLoop::create();
    std::unique_ptr<Server> server_;
};

TEST_F(ApiServer, AnswersOnAConnectionThatStaysOpen) {
    start();
    const sys::Fd client = connect();
    for (int i = 0; i < 3; ++i) {
        send(client, kGetInfo);
        const Received answer = receive(client);
        EXPECT_TRUE(answer.bytes.starts_with("HTTP/1.1 200 OK\r\n")) << answer.bytes;
        EXPECT_TRUE(
            answer.bytes.ends_with("\"childPID\":42,\"portDriver\":{\"driver\":\"builtin\","
                                   "\"protos\":[\"tcp\",\"tcp4\",\"tcp6\",\"udp\",\"udp4\","
                                   "\"udp6\"]}}"));
        EXPECT_FALSE(answer.ended);
    }
}

TEST_F(ApiServer, ReplacesAStaleSocketAndObeysTheUmask) {
    { const auto stale = sys::listen_unix_stream(options_.path, 1); }
    ASSERT_TRUE(sys::stat_path(options_.path));
    const mode_t before = ::umask(022);
    start();
    ::umask(before);
    EXPECT_EQ(sys::stat_path(options_.path)->st_mode & 0777U, 0755U);
    send(connect(), kGetInfo);
}

TEST_F(ApiServer, NamesAPathThatIsTooLong) {
    Server::Options options;
    options.path = directory_ + "/" + std::string(100, 'x');
    const auto server = Server::listen(options, make_service(nullptr), log_);
    ASSERT_FALSE(server);
    EXPECT_EQ(server.error().code, ENAMETOOLONG);
    EXPECT_NE(server.error().message.find("107 bytes"), std::string::npos);
    start();
}

TEST_F(ApiServer, AnswersPipelinedRequestsInOrder) {
    start();
    const sys::Fd client = connect();
    std::string all;
    for (int i = 0; i < 200; ++i) {
        all += kGetInfo;
    }
    send(client, all + "GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n");
    const Received answer = receive(client);
    EXPECT_EQ(count(answer.bytes, "200 OK"), 200U);
    EXPECT_TRUE(answer.bytes.ends_with("404 page not found\n"));
    EXPECT_TRUE(answer.ended);
}

TEST_F(ApiServer, OneTurnEach) {
    start();
    const sys::Fd greedy = connect();
    const sys::Fd modest = connect();
    std::string all;
    for (int i = 0; i < 300; ++i) {
        all += kGetInfo;
    }
    send(greedy, all);
    send(modest, kGetInfo);
    std::array<char, 4096> buffer{};
    for (int turns = 0; turns < 6; ++turns) {
        ASSERT_TRUE(loop_.run_once(sys::Deadline::after(milliseconds(100))));
    }
    EXPECT_GT(::recv(modest.number(), buffer.data(), buffer.size(), MSG_DONTWAIT), 0);
}

TEST_F(ApiServer, RefusesGarbageWithAnAnswer) {
    start();
    const std::array<std::pair<std::string, std::string_view>, 4> cases = {{
        {"garbage\r\n\r\n", "HTTP/1.1 400 "},
        {std::string(1000, '\0') + "\r\n\r\n", "HTTP/1.1 400 "},
        {"GET /" + std::string(40'000, 'x'), "HTTP/1.1 431 "},
        {"POST /v1/ports HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + std::string(100'000, 'x'),
         "HTTP/1.1 413 "},
    }};
    for (const auto& [bytes, answer] : cases) {
        const sys::Fd client = connect();
        send(client, bytes);
        const Received received = receive(client);
        EXPECT_TRUE(received.bytes.starts_with(answer)) << received.bytes;
        EXPECT_NE(received.bytes.find("Connection: close"), std::string::npos);
        EXPECT_TRUE(received.ended);
    }
}

TEST_F(ApiServer, SendsContinue) {
    start();
    const sys::Fd client = connect();
    send(client, "POST /v1/ports HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    EXPECT_EQ(receive(client).bytes, "HTTP/1.1 100 Continue\r\n\r\n");
    send(client, "{}");
    EXPECT_TRUE(receive(client).bytes.starts_with("HTTP/1.1 400 "));
}

TEST_F(ApiServer, EndsHalfRequestsButNotIdleConnections) {
    options_.patience = milliseconds(40);
    start();
    const sys::Fd idle = connect();
    send(idle, kGetInfo);
    EXPECT_NE(receive(idle).bytes, "");
    const sys::Fd half_header = connect();
    send(half_header, "GET /v1/in");
    const sys::Fd half_body = connect();
    send(half_body, "POST /v1/ports HTTP/1.1\r\nContent-Length: 10\r\n\r\n{");
    const sys::Fd silent = connect();
    settle(milliseconds(120));
    EXPECT_TRUE(receive(half_header).ended);
    EXPECT_TRUE(receive(half_body).ended);
    EXPECT_FALSE(receive(silent).ended);
    EXPECT_FALSE(receive(idle).ended);
    send(idle, kGetInfo);
    EXPECT_TRUE(receive(idle).bytes.starts_with("HTTP/1.1 200"));
}

TEST_F(ApiServer, DropsAClientThatDoesNotRead) {
    options_.patience = milliseconds(60);
    for (int i = 0; i < 10'000; ++i) {
        driver_.ports.push_back({i, *model::PortSpec::parse("127.0.0.1:80:80/tcp")});
    }
    start();
    const sys::Fd slow = connect();
    send(slow, "GET /v1/ports HTTP/1.1\r\n\r\n");
    settle(milliseconds(20));
    const sys::Fd other = connect();  // others are served meanwhile
    send(other, kGetInfo);
    EXPECT_TRUE(receive(other).bytes.starts_with("HTTP/1.1 200"));
    settle(milliseconds(150));
    const Received rest = receive(slow);
    EXPECT_TRUE(rest.ended);
    EXPECT_LT(rest.bytes.size(), 700'000U);
}

TEST_F(ApiServer, SendsALongListToOneThatReads) {
    for (int i = 0; i < 10'000; ++i) {
        driver_.ports.push_back({i, *model::PortSpec::parse("127.0.0.1:80:80/tcp")});
    }
    start();
    const sys::Fd client = connect();
    send(client, "GET /v1/ports HTTP/1.1\r\nConnection: close\r\n\r\n");
    const Received all = receive(client);
    EXPECT_EQ(count(all.bytes, "\"id\":"), 10'000U);
    EXPECT_TRUE(all.ended);
}

TEST_F(ApiServer, MakesRoomByEndingTheLeastUsedIdleConnection) {
    options_.max_connections = 4;
    start();
    std::vector<sys::Fd> clients;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(connect());
        settle(milliseconds(5));
    }
    send(clients[0], kGetInfo);
    EXPECT_NE(receive(clients[0]).bytes, "");
    clients.push_back(connect());
    send(clients[4], kGetInfo);
    EXPECT_NE(receive(clients[4]).bytes, "");
    EXPECT_FALSE(receive(clients[0]).ended);
    EXPECT_TRUE(receive(clients[1]).ended);
    for (const std::size_t i : {0U, 2U, 3U, 4U}) {  // all at work
        send(clients[i], "GET");
    }
    settle();
    const sys::Fd one_more = connect();
    const Received refused = receive(one_more);
    EXPECT_TRUE(refused.bytes.starts_with("HTTP/1.1 503")) << refused.bytes;
    EXPECT_TRUE(refused.ended);
}

TEST_F(ApiServer, SurvivesTheLackOfDescriptors) {
    start();
    const sys::Fd idle = connect();
    const sys::Fd waiting = connect();  // connected, not yet accepted
    settle(milliseconds(5));
    const sys::Fd last = connect();
    send(last, kGetInfo);
    struct rlimit before {};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const sys::Fd highest(::dup(0));
    struct rlimit tight = before;
    tight.rlim_cur = static_cast<rlim_t>(highest.number());
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    const Received answer = receive(last);  // an idle connection gave its descriptor up
    settle(milliseconds(200));
    const std::string later = answer.bytes + receive(last).bytes;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_TRUE(later.starts_with("HTTP/1.1 200")) << later;
}

TEST(ApiPermission, IsForOurselvesRootAndMappedIds) {
    const std::vector<model::IdRange> mapped = {{100'000, 10}};
    EXPECT_TRUE(is_permitted(0, 1000, mapped));
    EXPECT_TRUE(is_permitted(1000, 1000, mapped));
    EXPECT_TRUE(is_permitted(100'000, 1000, mapped));
    EXPECT_TRUE(is_permitted(100'009, 1000, mapped));
    EXPECT_FALSE(is_permitted(99'999, 1000, mapped));
    EXPECT_FALSE(is_permitted(100'010, 1000, mapped));
    EXPECT_FALSE(is_permitted(1001, 1000, {}));
}

TEST_F(ApiServer, WorksWithOurClient) {
    start();
    const pid_t pid = ::fork();
    if (pid == 0) {
        bool good = true;
        auto client = Client::open(options_.path);
        const auto spec = *model::parse_port_fields("127.0.0.1:1:2/tcp");
        const auto status = decode_status(*client->add_port(spec));
        good = good && status && status->id == 1 && status->spec.parent_port == 1;
        good = good && client->info()->child_pid == 42;
        good = good && client->add_port(spec).error().message == "conflict with ID 1";
        client->disconnect();
        good = good && decode_statuses(*client->get("/v1/ports"))->size() == 1;
        good = good && client->remove_port(1);
        good = good && client->get("/x").error().message ==
                           "unexpected HTTP status Not Found, body=\"404 page not found\\n\"";
        ::_exit(good ? 0 : 1);
    }
    int status = -1;
    for (int i = 0; i < 500 && ::waitpid(pid, &status, WNOHANG) == 0; ++i) {
        settle(milliseconds(10));
    }
    EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace rk::api
