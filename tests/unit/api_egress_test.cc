// SPDX-License-Identifier: Apache-2.0
#include "api/codec.h"
#include "api/egress_codec.h"
#include "api/routes.h"

#include <gtest/gtest.h>

#include <span>

#include "api_fake_driver.h"

namespace rk::api {
namespace {

using testing_helpers::make_service;

constexpr std::string_view kNoPolicy =
    "{\"message\":\"this network has no egress policy, only --net=builtin has one\"}\n";

/// The real list, with a relay that takes everything.
struct Policy {
    std::vector<model::EgressRule> pushed;
    std::vector<model::EgressHits> hits;
    drivers::EgressRules rules{
        {*model::EgressRule::parse(model::EgressAction::kDeny, "10.0.0.0/8")},
        {[this](const std::vector<model::EgressRule>& all) -> Result<void> {
             pushed = all;
             return {};
         },
         [this]() -> Result<std::vector<model::EgressHits>> {
             if (hits.empty()) {
                 return fail("the relay does not answer");
             }
             return hits;
         }}};
};

struct Row {
    std::string_view method;
    std::string_view target;
    std::string_view request_body;
    int status;
    std::string_view body;
};

void expect_rows(const Service& service, std::span<const Row> rows) {
    for (const Row& row : rows) {
        const Response response = respond(
            {std::string(row.method), std::string(row.target), std::string(row.request_body), true},
            service);
        EXPECT_EQ(response.status, row.status) << row.method << " " << row.target;
        EXPECT_EQ(response.body, row.body) << row.method << " " << row.target;
    }
}

TEST(ApiEgress, RulesAreListedAddedAndRemoved) {
    Policy policy;
    policy.hits = {{1, 3}, {2, 4}};
    Service service = make_service(nullptr);
    service.egress = &policy.rules;
    const auto rows = std::to_array<Row>({
        {"GET", "/v1/egress", "", 200,
         R"([{"id":1,"action":"deny","rule":"10.0.0.0/8","source":"flag","hits":3}])"},
        {"POST", "/v1/egress", R"({"action":"allow","rule":"[2001:db8::/32]:443-443/tcp"})", 201,
         R"({"id":2,"action":"allow","rule":"[2001:db8::/32]:443/tcp","source":"api","hits":0})"},
        {"GET", "/v1/egress", "", 200,
         R"([{"id":1,"action":"deny","rule":"10.0.0.0/8","source":"flag","hits":3},)"
         R"({"id":2,"action":"allow","rule":"[2001:db8::/32]:443/tcp","source":"api","hits":4}])"},
        {"DELETE", "/v1/egress/1", "", 200, ""},
        {"DELETE", "/v1/egress/1", "", 400, "{\"message\":\"unknown id: 1\"}\n"},
        {"DELETE", "/v1/egress/2", "", 200, ""},
        {"GET", "/v1/egress", "", 200, "[]"},
    });
    expect_rows(service, rows);
    EXPECT_TRUE(policy.pushed.empty());
}

TEST(ApiEgress, WhatMakesNoSenseIsRefused) {
    Policy policy;
    Service service = make_service(nullptr);
    service.egress = &policy.rules;
    const auto rows = std::to_array<Row>({
        {"POST", "/v1/egress", "", 400, "{\"message\":\"EOF\"}\n"},
        {"POST", "/v1/egress", "[]", 400,
         "{\"message\":\"the body must be an object with \\\"action\\\" and \\\"rule\\\"\"}\n"},
        {"POST", "/v1/egress", "{}", 400,
         "{\"message\":\"action must be \\\"deny\\\" or \\\"allow\\\", got \\\"\\\"\"}\n"},
        {"POST", "/v1/egress", R"({"action":"drop","rule":"::/0"})", 400,
         "{\"message\":\"action must be \\\"deny\\\" or \\\"allow\\\", got \\\"drop\\\"\"}\n"},
        {"POST", "/v1/egress", R"({"action":"deny","rule":["::/0"]})", 400,
         "{\"message\":\"rule must be a string\"}\n"},
        {"POST", "/v1/egress", R"({"action":"deny","rule":"10.0.0.1/8"})", 400,
         "{\"message\":\"egress rule \\\"10.0.0.1/8\\\": host bits are set; the network is "
         "10.0.0.0/8\"}\n"},
        {"POST", "/v1/egress", R"({"action":"deny","rule":"10.0.0.0/8"})", 400,
         "{\"message\":\"egress rule deny 10.0.0.0/8: conflict with ID 1\"}\n"},
        {"DELETE", "/v1/egress/x", "", 400,
         "{\"message\":\"bad id x: strconv.Atoi: parsing \\\"x\\\": invalid syntax\"}\n"},
        {"DELETE", "/v1/egress/-1", "", 400, "{\"message\":\"unknown id: -1\"}\n"},
        {"DELETE", "/v1/egress/4294967297", "", 400, "{\"message\":\"unknown id: 4294967297\"}\n"},
        {"PUT", "/v1/egress", "", 405, ""},
        {"GET", "/v1/egress/1", "", 405, ""},
        {"GET", "/v1/egress", "", 500, "{\"message\":\"the relay does not answer\"}\n"},
    });
    expect_rows(service, rows);
    EXPECT_TRUE(policy.pushed.empty());
}

TEST(ApiEgress, OtherNetworksHaveNoPolicy) {
    const auto rows = std::to_array<Row>({
        {"GET", "/v1/egress", "", 400, kNoPolicy},
        {"POST", "/v1/egress", R"({"action":"deny","rule":"::/0"})", 400, kNoPolicy},
        {"DELETE", "/v1/egress/1", "", 400, kNoPolicy},
    });
    expect_rows(make_service(nullptr), rows);
}

TEST(ApiEgress, UnknownKeysAndWhatFollowsAreIgnored) {
    const auto rule = decode_egress_request(
        R"( {"note":{"action":[1]},"rule":"::/0","action":"deny","n":7} trailing)");
    ASSERT_TRUE(rule) << rule.error().message;
    EXPECT_EQ(rule->text(), "::/0");
    EXPECT_EQ(decode_egress_request(encode_egress_request("allow", "10.0.0.1"))->action,
              model::EgressAction::kAllow);
}

TEST(ApiEgress, ClientsAreLenient) {
    const auto list = decode_egress_list(
        R"([{"id":7,"action":"deny","rule":"::/0","source":"api","hits":9},{}])");
    ASSERT_TRUE(list);
    ASSERT_EQ(list->size(), 2U);
    EXPECT_EQ(list->at(0).id, 7);
    EXPECT_EQ(list->at(0).hits, 9U);
    EXPECT_EQ(list->at(1).rule, "");
    EXPECT_FALSE(decode_egress("{"));
}

// ---- What the network tells of itself ----

TEST(ApiNetwork, StatsAreThereWithoutAPortDriver) {
    Service service = make_service(nullptr);
    service.network_stats = []() -> Result<NetworkStats> {
        NetworkStats stats;
        stats.relay.pid = 5;
        stats.gateway.held_syns = 7;
        stats.gateway.bytes_in = 9;
        return stats;
    };
    const Response response = respond({"GET", "/v1/stats", "", true}, service);
    EXPECT_EQ(response.status, 200);
    const auto stats = decode_stats(response.body);
    ASSERT_TRUE(stats && stats->network);
    EXPECT_EQ(stats->relay.pid, 5);
    EXPECT_EQ(stats->network->held_syns, 7U);
    EXPECT_EQ(stats->network->bytes_in, 9U);
    EXPECT_NE(response.body.find(R"("network":{"heldSYNs":7,"tcpOpened":0,)"), std::string::npos);
    const std::string metrics = respond({"GET", "/metrics", "", true}, service).body;
    EXPECT_NE(metrics.find("\nrootlesskit_network_held_syns 7\n"), std::string::npos);
    EXPECT_NE(metrics.find("\nrootlesskit_network_received_bytes_total 9\n"), std::string::npos);
    service.network_stats = []() -> Result<NetworkStats> { return fail("no answer"); };
    EXPECT_EQ(respond({"GET", "/v1/stats", "", true}, service).status, 500);
    EXPECT_EQ(respond({"GET", "/metrics", "", true}, service).status, 500);
}

TEST(ApiNetwork, InfoHasTheStateOfTheMoment) {
    Service service = make_service(nullptr);
    service.info.network = model::NetworkInfo{};
    service.info.network->driver = "builtin";
    EXPECT_EQ(respond({"GET", "/v1/info", "", true}, service).body.find("extra"),
              std::string::npos);
    std::string mode = "nft-queue";
    service.network_extra = [&] { return std::map<std::string, std::string>{{"mode", mode}}; };
    mode = "accept-first";
    const Response response = respond({"GET", "/v1/info", "", true}, service);
    EXPECT_NE(response.body.find(
                  R"("networkDriver":{"driver":"builtin","extra":{"mode":"accept-first"}})"),
              std::string::npos)
        << response.body;
    EXPECT_EQ(decode_info(response.body)->network->extra.at("mode"), "accept-first");
}

}  // namespace
}  // namespace rk::api
