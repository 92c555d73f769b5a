// SPDX-License-Identifier: Apache-2.0
#include "api/codec.h"

#include <gtest/gtest.h>

#include <array>

namespace rk::api {
namespace {

model::PortStatus status_of(int id, std::string_view spec) {
    return {id, *model::PortSpec::parse(spec)};
}

std::string error_of(std::string_view body) {
    const auto spec = decode_spec(body);
    return spec ? "" : spec.error().message;
}

TEST(ApiCodec, WritesInfoAsClientsKnowIt) {
    Info info;
    info.version = "3.3.0";
    info.state_dir = "/run/user/1001/dockerd-rootless";
    info.child_pid = 12748;
    EXPECT_EQ(encode_info(info),
              R"({"apiVersion":"1.1.2","version":"3.3.0",)"
              R"("stateDir":"/run/user/1001/dockerd-rootless","childPID":12748})");
    info.network = model::NetworkInfo{"slirp4netns", {"10.0.2.3"}, "10.0.2.100", false, false};
    info.port = drivers::PortDriverInfo{"builtin", {"tcp", "udp"}, false, {}};
    const std::string whole = encode_info(info);
    EXPECT_TRUE(whole.ends_with(
        R"("networkDriver":{"driver":"slirp4netns","dns":["10.0.2.3"],"childIP":"10.0.2.100"},)"
        R"("portDriver":{"driver":"builtin","protos":["tcp","udp"]}})"))
        << whole;
    info.network->dynamic_child_ip = true;
    info.network->ipv6 = true;
    info.port->disallow_loopback_child_ip = true;
    info.port->extra = {{"sourceIPTransparentBackend", "netlink"}};
    const std::string all = encode_info(info);
    EXPECT_NE(all.find(R"("dynamicChildIP":true,"ipv6":true})"), std::string::npos) << all;
    EXPECT_NE(all.find(R"("disallowLoopbackChildIP":true,"extra":{"sourceIPTransparentBackend")"),
              std::string::npos)
        << all;
    const auto back = decode_info(all);
    ASSERT_TRUE(back);
    EXPECT_EQ(encode_info(*back), all);
}

TEST(ApiCodec, TellsHowTheHelperIs) {
    Info info;
    info.network = model::NetworkInfo{"pasta", {}, "", false, false};
    info.helper = model::HelperHealth{true, 77, 2};
    const std::string text = encode_info(info);
    EXPECT_NE(text.find(R"({"driver":"pasta","helper":{"running":true,"pid":77,"restarts":2}})"),
              std::string::npos)
        << text;
    EXPECT_EQ(decode_info(text)->helper, info.helper);
    EXPECT_FALSE(decode_info(R"({"networkDriver":{"driver":"pasta"}})")->helper);
    EXPECT_FALSE(decode_info(R"({"networkDriver":{"helper":3}})")->helper);
}

TEST(ApiCodec, WritesPortsInTheirOrderOfKeys) {
    EXPECT_EQ(encode_status(status_of(1, "127.0.0.1:22180:127.0.0.1:80/tcp4")),
              R"({"id":1,"spec":{"proto":"tcp4","parentIP":"127.0.0.1","parentPort":22180,)"
              R"("childPort":80,"childIP":"127.0.0.1"}})");
    EXPECT_EQ(encode_statuses({status_of(2, ":8080:80/tcp")}),
              R"([{"id":2,"spec":{"proto":"tcp","parentPort":8080,"childPort":80}}])");
    EXPECT_EQ(encode_status(status_of(3, ":8000-8010:80-90/udp")),
              R"({"id":3,"spec":{"proto":"udp","parentPort":8000,"childPort":80,)"
              R"("parentPortEnd":8010,"childPortEnd":90}})");
    EXPECT_EQ(encode_statuses({}), "null");
}

TEST(ApiCodec, EscapesErrorsAsGoDoes) {
    EXPECT_EQ(encode_error("a <b> & \"c\"\n"),
              "{\"message\":\"a \\u003cb\\u003e \\u0026 \\\"c\\\"\\n\"}\n");
    EXPECT_EQ(encode_error("\xff"), "{\"message\":\"\xef\xbf\xbd\"}\n");
    EXPECT_EQ(encode_error("\xe2\x80\xa8"), "{\"message\":\"\\u2028\"}\n");
}

TEST(ApiCodec, ReadsASpec) {
    const auto spec = decode_spec(
        R"( {"proto":"tcp","parentIP":"127.0.0.1","parentPort":8080,"childPort":80,"childIP":"::1"} )");
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->proto, "tcp");
    EXPECT_EQ(spec->parent_ip, "127.0.0.1");
    EXPECT_EQ(spec->parent_port, 8080);
    EXPECT_EQ(spec->child_port, 80);
    EXPECT_EQ(spec->child_ip, "::1");
}

TEST(ApiCodec, RangesSurviveTheJourney) {
    const auto range = *model::parse_port_fields("127.0.0.1:8000-8010:80-90/tcp");
    EXPECT_EQ(*decode_spec(encode_spec(range)), range);
    EXPECT_EQ(parent_port_text(range), "8000-8010");
    EXPECT_EQ(child_port_text(range), "80-90");
}

TEST(ApiCodec, ReadsByGosRules) {
    const auto spec = decode_spec(
        R"({"PROTO":"udp","ParentPort":1,"extra":{"parentPort":7,"a":[1,"x"]},"childport":-2,)"
        R"("childIP":null,"parentPort":3} trailing garbage)");
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec->proto, "udp");
    EXPECT_EQ(spec->parent_port, 3);
    EXPECT_EQ(spec->child_port, -2);
    EXPECT_TRUE(decode_spec("null"));
    EXPECT_TRUE(decode_spec("{}garbage"));
    EXPECT_EQ(decode_spec(R"({"proto":"\u0074cp"})")->proto, "tcp");
}

struct ErrorCase {
    std::string_view body;
    std::string_view error;
};

TEST(ApiCodec, SaysWhatIsWrongInGosWords) {
    constexpr std::string_view kInt = " into Go struct field Spec.parentPort of type int";
    const std::array<ErrorCase, 32> cases = {{
        {"", "EOF"},
        {" \n", "EOF"},
        {"{", "unexpected EOF"},
        {R"({"proto)", "unexpected EOF"},
        {R"({"proto":"tcp")", "unexpected EOF"},
        {"nul", "unexpected EOF"},
        {"xyz", "invalid character 'x' looking for beginning of value"},
        {"'", "invalid character '\\'' looking for beginning of value"},
        {"\xe9", "invalid character '\xc3\xa9' looking for beginning of value"},
        {"{proto", "invalid character 'p' looking for beginning of object key string"},
        {R"({"a" 1})", "invalid character '1' after object key"},
        {R"({"a":1 2})", "invalid character '2' after object key:value pair"},
        {R"({"a":1,})", "invalid character '}' looking for beginning of object key string"},
        {"[1 2]", "invalid character '2' after array element"},
        {"[1,]", "invalid character ']' looking for beginning of value"},
        {"tru!", "invalid character '!' in literal true (expecting 'e')"},
        {"-x", "invalid character 'x' in numeric literal"},
        {"1.x", "invalid character 'x' after decimal point in numeric literal"},
        {"1ex", "invalid character 'x' in exponent of numeric literal"},
        {"\"a\nb\"", "invalid character '\\n' in string literal"},
        {R"("\x")", "invalid character 'x' in string escape code"},
        {R"("\u12g4")", "invalid character 'g' in \\u hexadecimal character escape"},
        {R"({"parentPort":"80"})", "json: cannot unmarshal string{}"},
        {R"({"PARENTPORT":80.5})", "json: cannot unmarshal number 80.5{}"},
        {R"({"parentPort":1e3})", "json: cannot unmarshal number 1e3{}"},
        {R"({"parentPort":18446744073709551615})",
         "json: cannot unmarshal number 18446744073709551615{}"},
        {R"({"parentPort":true})", "json: cannot unmarshal bool{}"},
        {R"({"parentPort":{"a":1},"proto":2})", "json: cannot unmarshal object{}"},
        {R"({"proto":80})",
         "json: cannot unmarshal number into Go struct field Spec.proto of type string"},
        {R"({"childIP":["x"]})",
         "json: cannot unmarshal array into Go struct field Spec.childIP of type string"},
        {"[]", "json: cannot unmarshal array into Go value of type port.Spec"},
        {"7", "json: cannot unmarshal number into Go value of type port.Spec"},
    }};
    for (const ErrorCase& one : cases) {
        std::string expected(one.error);
        if (const std::size_t mark = expected.find("{}"); mark != std::string::npos) {
            expected.replace(mark, 2, kInt);
        }
        EXPECT_EQ(error_of(one.body), expected) << one.body;
    }
}

TEST(ApiCodec, BoundsDepth) {
    EXPECT_EQ(error_of(std::string(10'001, '[')), "exceeded max depth");
    EXPECT_EQ(error_of(R"({"x":)" + std::string(9'000, '[') + std::string(9'000, ']') + "}"), "");
}

TEST(ApiCodec, RefusesWhatTheLibraryCannotRead) {
    EXPECT_NE(error_of("{\"proto\":\"\xff\"}"), "");
    EXPECT_NE(error_of(R"({"proto":"\ud800"})"), "");
}

TEST(ApiCodec, StatsSurviveTheJourney) {
    Stats stats;
    stats.relay.running = true;
    stats.relay.pid = 7;
    stats.relay.fd_limit = 1024;
    PortStats port;
    port.counters.id = 3;
    port.counters.accepted = 18446744073709551615U;
    port.counters.bytes_out = 5;
    port.spec.proto = "tcp";
    port.spec.parent_port = 80;
    stats.ports.push_back(port);
    const std::string text = encode_stats(stats);
    EXPECT_EQ(text, R"({"relay":{"running":true,"pid":7,"restarts":0,"openConnections":0,)"
                    R"("udpFlows":0,"openFDs":0,"fdLimit":1024},"ports":[{"id":3,)"
                    R"("spec":{"proto":"tcp","parentPort":80},"accepted":18446744073709551615,)"
                    R"("active":0,"refused":0,"errors":0,"bytesIn":0,"bytesOut":5,"dropped":0}]})");
    const auto back = decode_stats(text);
    ASSERT_TRUE(back);
    EXPECT_EQ(encode_stats(*back), text);
}

TEST(ApiCodec, ClientsAreLenient) {
    EXPECT_TRUE(decode_statuses("null")->empty());
    EXPECT_TRUE(decode_statuses("[]")->empty());
    EXPECT_EQ(decode_statuses(R"([{"id":"x","spec":7}])")->at(0).id, 0);
    EXPECT_EQ(decode_error(R"({"message":"conflict with ID 1"})"), "conflict with ID 1");
    EXPECT_FALSE(decode_error("404 page not found\n"));
    EXPECT_FALSE(decode_error(""));
    EXPECT_EQ(*indent_json(R"({"a":[],"b":{"c":1}})"),
              "{\n    \"a\": [],\n    \"b\": {\n        \"c\": 1\n    }\n}");
    EXPECT_EQ(split_array(R"([{"id":1}, {"id":2}])")->at(1), R"({"id":2})");
    EXPECT_TRUE(split_array("null")->empty());
}

}  // namespace
}  // namespace rk::api
