// SPDX-License-Identifier: Apache-2.0
#include "api/target.h"

#include <gtest/gtest.h>

namespace rk::api {
namespace {

TEST(ApiTarget, PathAndQueryAreTakenApart) {
    struct Row {
        const char* text;
        const char* path;
        const char* query;
    };
    for (const auto& [text, path, query] : {
             Row{"/v1/info", "/v1/info", ""},
             Row{"/v1/info?", "/v1/info", "?"},
             Row{"/v1/info?a=%41?b", "/v1/info", "?a=%41?b"},
             Row{"/v1/%69nfo", "/v1/info", ""},
             Row{"/%2f%2F", "///", ""},
             Row{"http://any/v1/info?q", "/v1/info", "?q"},
             Row{"http://any:80", "/", ""},
             Row{"http://any?q", "", "?q"},
             Row{"*", "*", ""},
             Row{"host:80", "host:80", ""},
             Row{"", "", ""},
         }) {
        const auto target = parse_target(text);
        ASSERT_TRUE(target) << text;
        EXPECT_EQ(target->path, path) << text;
        EXPECT_EQ(target->query, query) << text;
    }
}

TEST(ApiTarget, ABrokenEscapeIsNoTarget) {
    for (const char* text : {"/%", "/%4", "/%4g", "/%g4", "/%-1", "/%+1", "/% 1", "/a%"}) {
        EXPECT_FALSE(parse_target(text)) << text;
    }
    EXPECT_TRUE(parse_target("/?%")) << "the query is nobody's business";
}

TEST(ApiTarget, AnEscapedNulStaysInThePath) {
    const auto target = parse_target("/a%00b");
    ASSERT_TRUE(target);
    EXPECT_EQ(target->path, std::string_view("/a\0b", 4));
}

TEST(ApiTarget, ACleanPathStaysAsItIs) {
    for (const char* path : {"/", "/v1/info", "/v1/ports/", "/v1/ports/1", "/..."}) {
        EXPECT_EQ(clean_path(path), path);
    }
}

TEST(ApiTarget, DotsAndDoubledSlashesGo) {
    EXPECT_EQ(clean_path(""), "/");
    EXPECT_EQ(clean_path("//"), "/");
    EXPECT_EQ(clean_path("/v1//info"), "/v1/info");
    EXPECT_EQ(clean_path("/v1/./info"), "/v1/info");
    EXPECT_EQ(clean_path("/v1/x/../info"), "/v1/info");
    EXPECT_EQ(clean_path("/../../v1/info//"), "/v1/info/");
    EXPECT_EQ(clean_path("/v1/.."), "/");
}

TEST(ApiTarget, EncodedPathsAreSafeInAHeader) {
    EXPECT_EQ(percent_encode("/v1/a-b._~$&+,:;=@"), "/v1/a-b._~$&+,:;=@");
    EXPECT_EQ(percent_encode("/a b\r\n%?#\xff"), "/a%20b%0D%0A%25%3F%23%FF");
}

}  // namespace
}  // namespace rk::api
