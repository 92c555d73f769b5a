// SPDX-License-Identifier: Apache-2.0
#include "wire/slirp4netns_api.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace rk::wire {
namespace {

std::string error_of(std::string_view reply) {
    const auto read = decode_add_hostfwd_reply(reply);
    return read ? "none" : read.error().message;
}

TEST(Slirp4netnsApi, RequestsAreAsTheOriginalSendsThem) {
    EXPECT_EQ(encode_add_hostfwd({"tcp", "", 8080, "10.0.2.100", 80}),
              R"({"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"",)"
              R"("host_port":8080,"guest_addr":"10.0.2.100","guest_port":80}})"
              "\n");
    EXPECT_EQ(encode_remove_hostfwd(7), R"({"execute":"remove_hostfwd","arguments":{"id":7}})"
                                        "\n");
    EXPECT_EQ(encode_list_hostfwd(), "{\"execute\":\"list_hostfwd\",\"arguments\":{}}\n");
}

TEST(Slirp4netnsApi, RepliesAreRead) {
    EXPECT_EQ(*decode_add_hostfwd_reply(R"({"return":{"id":12}})"), 12);
    EXPECT_TRUE(decode_remove_hostfwd_reply(R"({"return":{}})"));
    EXPECT_EQ(*decode_list_hostfwd_reply(R"({"entries":[{"id":1,"proto":"tcp"},{"id":3}]})"),
              (std::vector<std::int64_t>{1, 3}));
    EXPECT_TRUE(decode_list_hostfwd_reply(R"({"entries":[]})")->empty());
}

TEST(Slirp4netnsApi, RefusalsReadLikeGosMaps) {
    const std::string refusal =
        R"({"error":{"desc":"bad request: add_hostfwd: slirp_add_hostfwd failed"}})";
    EXPECT_EQ(error_of(refusal),
              "reply.Error: map[desc:bad request: add_hostfwd: slirp_add_hostfwd failed]");
    EXPECT_EQ(decode_remove_hostfwd_reply(refusal).error().message, error_of(refusal));
    EXPECT_EQ(decode_list_hostfwd_reply(refusal).error().message, error_of(refusal));
    EXPECT_EQ(error_of(R"({"error":{"z":1,"a":"b"}})"), "reply.Error: map[a:b z:1]");
    EXPECT_EQ(error_of(R"({"error":"text"})"), "reply.Error: \"text\"");
}

TEST(Slirp4netnsApi, WhatMakesNoSenseIsAnError) {
    for (const std::string_view reply :
         {"", "{", "[]", "3", "{}", R"({"return":1})", R"({"return":{}})",
          R"({"return":{"id":"1"}})", R"({"return":{"id":1.5}})",
          R"({"return":{"id":18446744073709551615}})", "{\"return\":{\"id\":1}} more"}) {
        const auto read = decode_add_hostfwd_reply(reply);
        EXPECT_TRUE(!read && read.error().code == EPROTO) << reply;
    }
    EXPECT_FALSE(decode_remove_hostfwd_reply("{}"));
    EXPECT_FALSE(decode_list_hostfwd_reply(R"({"return":{}})"));
    EXPECT_FALSE(decode_list_hostfwd_reply(R"({"entries":[1]})"));
    EXPECT_FALSE(decode_list_hostfwd_reply(R"({"entries":[{}]})"));
    EXPECT_FALSE(decode_add_hostfwd_reply(std::string(100000, '[')));
    const std::string invalid = "{\"error\":{\"desc\":\"\xff\"}}";
    EXPECT_FALSE(decode_add_hostfwd_reply(invalid));
}

}  // namespace
}  // namespace rk::wire
