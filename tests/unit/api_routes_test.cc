// SPDX-License-Identifier: Apache-2.0
#include "api/routes.h"

#include <gtest/gtest.h>

#include <array>
#include <span>

#include "api_fake_driver.h"

namespace rk::api {
namespace {

using testing_helpers::FakeDriver;
using testing_helpers::make_service;

struct Row {
    std::string_view method;
    std::string_view target;
    std::string_view request_body;
    int status;
    std::string_view body;
};

Response ask(const Service& service, std::string_view method, std::string_view target,
             std::string_view body = "") {
    return respond({std::string(method), std::string(target), std::string(body), true}, service);
}

void expect_rows(const Service& service, std::span<const Row> rows) {
    for (const Row& row : rows) {
        const Response response = ask(service, row.method, row.target, row.request_body);
        EXPECT_EQ(response.status, row.status) << row.method << " " << row.target;
        EXPECT_EQ(response.body, row.body) << row.method << " " << row.target;
    }
}

std::string header_of(const Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
        if (key == name) {
            return value;
        }
    }
    return {};
}

constexpr std::string_view kStatus1 =
    R"({"id":1,"spec":{"proto":"tcp","parentIP":"127.0.0.1","parentPort":8080,"childPort":80}})";
constexpr std::string_view kSpec1 =
    R"({"proto":"tcp","parentIP":"127.0.0.1","parentPort":8080,"childPort":80})";
constexpr std::string_view kNotFound = "404 page not found\n";

TEST(ApiRoutes, ServesTheTable) {
    FakeDriver driver;
    const std::string list = fmt::format("[{}]", kStatus1);
    const std::array<Row, 28> rows = {{
        {"GET", "/v1/ports", "", 200, "null"},
        {"POST", "/v1/ports", kSpec1, 201, kStatus1},
        {"GET", "/v1/ports", "", 200, list},
        {"GET", "http://rootlesskit/v1/ports", "", 200, list},
        {"GET", "/v1/%70orts?x=1", "", 200, list},
        {"POST", "/v1/ports", kSpec1, 400, "{\"message\":\"conflict with ID 1\"}\n"},
        {"POST", "/v1/ports", "", 400, "{\"message\":\"EOF\"}\n"},
        {"POST", "/v1/ports", "{", 400, "{\"message\":\"unexpected EOF\"}\n"},
        {"POST", "/v1/ports", R"({"proto":"x"})", 400,
         "{\"message\":\"unknown proto: \\\"x\\\"\"}\n"},
        {"DELETE", "/v1/ports/abc", "", 400,
         "{\"message\":\"bad id abc: strconv.Atoi: parsing \\\"abc\\\": invalid syntax\"}\n"},
        {"DELETE", "/v1/ports/99999999999999999999", "", 400,
         "{\"message\":\"bad id 99999999999999999999: strconv.Atoi: parsing "
         "\\\"99999999999999999999\\\": value out of range\"}\n"},
        {"DELETE", "/v1/ports/4294967297", "", 400, "{\"message\":\"unknown id: 4294967297\"}\n"},
        {"DELETE", "/v1/ports/-1", "", 400, "{\"message\":\"unknown id: -1\"}\n"},
        {"DELETE", "/v1/ports/99", "", 400, "{\"message\":\"unknown id: 99\"}\n"},
        {"DELETE", "/v1/ports/1", "", 200, ""},
        {"GET", "/v1/info/", "", 404, kNotFound},
        {"GET", "/v2/info", "", 404, kNotFound},
        {"GET", "/", "", 404, kNotFound},
        {"GET", "*", "", 404, kNotFound},
        {"DELETE", "/v1/ports/", "", 404, kNotFound},
        {"DELETE", "/v1/ports/1/2", "", 404, kNotFound},
        {"POST", "/v1/info", "", 405, ""},
        {"HEAD", "/v1/info", "", 405, ""},
        {"PUT", "/v1/ports", "", 405, ""},
        {"GET", "/v1/ports/1", "", 405, ""},
        {"get", "/v1/ports", "", 405, ""},
        {"GET", "//v1/info", "", 301, ""},
        {"GET", "/v1/%zz", "", 400, "{\"message\":\"bad escape in the path\"}\n"},
    }};
    expect_rows(make_service(&driver), rows);
    EXPECT_TRUE(driver.ports.empty());
}

TEST(ApiRoutes, WithoutAPortDriverOnlyInfoAndMetrics) {
    constexpr std::string_view kNone = "{\"message\":\"no PortDriver is available\"}\n";
    const std::array<Row, 5> rows = {{
        {"GET", "/v1/ports", "", 400, kNone},
        {"POST", "/v1/ports", "garbage", 400, kNone},
        {"DELETE", "/v1/ports/abc", "", 400, kNone},
        {"GET", "/v1/stats", "", 400, kNone},
        {"GET", "/v1/info", "", 200,
         R"({"apiVersion":"1.1.2","version":"3.3.0+cxx.0.1.0","stateDir":"/run/x","childPID":42})"},
    }};
    const Service service = make_service(nullptr);
    expect_rows(service, rows);
    EXPECT_EQ(ask(service, "GET", "/metrics").status, 200);
}

TEST(ApiRoutes, SetsHeaders) {
    FakeDriver driver;
    const Service service = make_service(&driver);
    EXPECT_EQ(ask(service, "GET", "/v1/info").content_type, "application/json");
    EXPECT_EQ(ask(service, "DELETE", "/v1/ports/9").content_type, "text/plain; charset=utf-8");
    const Response missing = ask(service, "GET", "/nothing");
    EXPECT_EQ(missing.content_type, "text/plain; charset=utf-8");
    EXPECT_EQ(header_of(missing, "X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(header_of(ask(service, "PUT", "/v1/ports"), "Allow"), "GET, POST");
}

TEST(ApiRoutes, RedirectsToTheCleanPath) {
    const Service service = make_service(nullptr);
    const std::array<std::pair<std::string_view, std::string_view>, 5> cases = {{
        {"//v1/info", "/v1/info"},
        {"/v1/./info?a=b", "/v1/info?a=b"},
        {"/v1/../../metrics", "/metrics"},
        {"//v1//info/", "/v1/info/"},
        {"//a%0d%0aX:%20y", "/a%0D%0AX:%20y"},
    }};
    for (const auto& [target, location] : cases) {
        const Response response = ask(service, "GET", target);
        EXPECT_EQ(response.status, 301) << target;
        EXPECT_EQ(header_of(response, "Location"), location) << target;
    }
}

TEST(ApiRoutes, ShowsStats) {
    FakeDriver driver;
    const Service service = make_service(&driver);
    ask(service, "POST", "/v1/ports", kSpec1);
    const Response stats = ask(service, "GET", "/v1/stats");
    EXPECT_EQ(stats.status, 200);
    EXPECT_NE(stats.body.find(R"("ports":[{"id":1,"spec":{"proto":"tcp","parentIP":"127.0.0.1")"),
              std::string::npos)
        << stats.body;
    driver.stats_fail = true;
    EXPECT_EQ(ask(service, "GET", "/v1/stats").status, 500);
    EXPECT_EQ(ask(service, "GET", "/metrics").status, 500);
}

TEST(ApiRoutes, ShowsMetrics) {
    FakeDriver driver;
    Service service = make_service(&driver);
    service.info.version = "a\"b\\c\nx";
    ask(service, "POST", "/v1/ports", kSpec1);
    const Response metrics = ask(service, "GET", "/metrics");
    EXPECT_EQ(metrics.content_type, "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_NE(metrics.body.find(R"(rootlesskit_info{version="a\"b\\c\nx",api_version="1.1.2",)"),
              std::string::npos)
        << metrics.body;
    EXPECT_NE(metrics.body.find(
                  "# TYPE rootlesskit_port_accepted_total counter\n"
                  "rootlesskit_port_accepted_total{id=\"1\",proto=\"tcp\",parent_ip=\"127.0.0.1\","
                  "parent_port=\"8080\",child_ip=\"\",child_port=\"80\"} 5\n"),
              std::string::npos)
        << metrics.body;
}

}  // namespace
}  // namespace rk::api
