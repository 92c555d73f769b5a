// SPDX-License-Identifier: Apache-2.0
#include "model/port_spec.h"

#include <gtest/gtest.h>

namespace rk::model {
namespace {

TEST(PortSpec, Accepts) {
    const struct {
        std::string text;
        std::string braces;
    } cases[] = {
        {"127.0.0.1:8080:80/tcp", "{tcp 127.0.0.1 8080 80 }"},
        {"[::1]:8080:80/tcp", "{tcp ::1 8080 80 }"},
        {"127.0.0.1:8080:10.0.2.100:80/tcp", "{tcp 127.0.0.1 8080 80 10.0.2.100}"},
        {"[::1]:8080:[::2]:80/udp", "{udp ::1 8080 80 ::2}"},
        {"127.0.0.1:8080:[::2]:80/udp6", "{udp6 127.0.0.1 8080 80 ::2}"},
        {":8080:80/tcp", "{tcp  8080 80 }"},
        {"127.0.0.1:8080::80/tcp", "{tcp 127.0.0.1 8080 80 }"},
        {":8080::80/tcp4", "{tcp4  8080 80 }"},
        {"[127.0.0.1]:8080:80/tcp", "{tcp 127.0.0.1 8080 80 }"},
        {"[::ffff:127.0.0.1]:8080:80/tcp6", "{tcp6 ::ffff:127.0.0.1 8080 80 }"},
        {"[::FFFF:127.0.0.1]:1:65535/udp4", "{udp4 ::FFFF:127.0.0.1 1 65535 }"},
        {"0.0.0.0:8080:80/sctp", "{sctp 0.0.0.0 8080 80 }"},
        {"0.0.0.0:8080:80/sctp4", "{sctp4 0.0.0.0 8080 80 }"},
        {"[::]:8080:80/sctp6", "{sctp6 :: 8080 80 }"},
        {"127.0.0.1:0:80/tcp", "{tcp 127.0.0.1 0 80 }"},
        {"127.0.0.1:8000-8010:9000-9010/tcp", "{tcp 127.0.0.1 8000-8010 9000-9010 }"},
        {":8000-8001:[::1]:80-81/udp", "{udp  8000-8001 80-81 ::1}"},
        {":1-65535:1-65535/udp", "{udp  1-65535 1-65535 }"},
        {":80-80:81/tcp", "{tcp  80 81 }"},
        {"fd:http:80/tcp", "{tcp fd:http 0 80 }"},
        {"fd:http:10.0.2.100:80/tcp", "{tcp fd:http 0 80 10.0.2.100}"},
    };
    for (const auto& one : cases) {
        const auto spec = PortSpec::parse(one.text);
        ASSERT_TRUE(spec) << one.text << ": " << spec.error().message;
        EXPECT_EQ(spec->in_braces(), one.braces) << one.text;
    }
}

TEST(PortSpec, Refuses) {
    // %s stands for the quoted text itself.
    const std::string parent_ip = "unexpected ParentIP in PortSpec string: %s";
    const std::string child_ip = "unexpected ChildIP in PortSpec string: %s";
    const std::string shape = "unexpected PortSpec string: %s";
    const std::string parent_port = "unexpected ParentPort in PortSpec string: %s: ";
    const std::string child_port = "unexpected ChildPort in PortSpec string: %s: ";
    const struct {
        std::string text;
        std::string error;
    } cases[] = {
        {"", "missing proto in PortSpec string: %s"},
        {"127.0.0.1:8080:80", "missing proto in PortSpec string: %s"},
        {"127.0.0.1:8080:80/", R"(invalid PortSpec string: %s: unknown proto: "")"},
        {"127.0.0.1:8080:80/TCP", R"(invalid PortSpec string: %s: unknown proto: "TCP")"},
        {"127.0.0.1:8080:80/tcp ", R"(invalid PortSpec string: %s: unknown proto: "tcp ")"},
        {"/tcp", shape},
        {"80/tcp", shape},
        {"127.0.0.1:8080:127.0.0.1:1:80/tcp", shape},
        {"[::1:8080:80/tcp", shape},
        {"[]:8080:80/tcp", shape},
        {"[::1]8080:80/tcp", shape},
        {"[::1]x:8080:80/tcp", shape},
        {"8080:80/tcp", parent_ip},
        {"::1:8080:80/tcp", parent_ip},
        {"fe80::1:8080:80/tcp", parent_ip},
        {"localhost:8080:80/tcp", parent_ip},
        {"[fe80::1%eth0]:8080:80/tcp", parent_ip},
        {"[localhost]:8080:80/tcp", parent_ip},
        {" 127.0.0.1:8080:80/tcp", parent_ip},
        {"127.0.0.01:8080:80/tcp", parent_ip},
        {"127.0.0.1:8080:host:80/tcp", child_ip},
        {"127.0.0.1:8080:10.0.2:80/tcp", child_ip},
        {"127.0.0.1:x:80/tcp", parent_port + R"(strconv.Atoi: parsing "x": invalid syntax)"},
        {"127.0.0.1:80/tcp", parent_port + R"(strconv.Atoi: parsing "": invalid syntax)"},
        {":80/tcp", parent_port + R"(strconv.Atoi: parsing "": invalid syntax)"},
        {"127.0.0.1: 80:80/tcp", parent_port + R"(strconv.Atoi: parsing " 80": invalid syntax)"},
        {"127.0.0.1:+80:80/tcp", parent_port + R"(strconv.Atoi: parsing "+80": invalid syntax)"},
        {"127.0.0.1:080:80/tcp", parent_port + R"(strconv.Atoi: parsing "080": invalid syntax)"},
        {"127.0.0.1:[80]:80/tcp", parent_port + R"(strconv.Atoi: parsing "80": invalid syntax)"},
        {"127.0.0.1:80:80-/tcp", child_port + R"(strconv.Atoi: parsing "80-": invalid syntax)"},
        {"127.0.0.1:80:80-081/tcp",
         child_port + R"(strconv.Atoi: parsing "80-081": invalid syntax)"},
        {"127.0.0.1:8-0:8/tcp", parent_port + R"(strconv.Atoi: parsing "8-0": invalid syntax)"},
        {"127.0.0.1:80:80-81/tcp", "invalid ChildPort: 1 parent ports but 2 child ports"},
        {"127.0.0.1:80-82:80-81/tcp", "invalid ChildPort: 3 parent ports but 2 child ports"},
        {"127.0.0.1:81-80:81-80/tcp", "invalid ParentPort: 81-80"},
        {"127.0.0.1:0-1:80-81/tcp", "invalid ParentPort: 0-1"},
        {"127.0.0.1:65535-65536:80-81/tcp", "invalid ParentPort: 65535-65536"},
        {"127.0.0.1:80-81:0-1/tcp", "invalid ChildPort: 0"},
        {"fd:80/tcp", shape},
        {"fd::80/tcp", shape},
        {"fd:[x]:80/tcp", shape},
        {"fd:a:b:80/tcp", child_ip},
        {"fd:a:1.2.3.4:5:80/tcp", shape},
        {"[fd]:80:80/tcp", parent_ip},
        {"127.0.0.1:80:-1/tcp", child_port + R"(strconv.Atoi: parsing "-1": invalid syntax)"},
        {"127.0.0.1:80:80/x/tcp", child_port + R"(strconv.Atoi: parsing "80/x": invalid syntax)"},
        {"127.0.0.1:80:99999999999999999999/tcp",
         child_port + R"(strconv.Atoi: parsing "99999999999999999999": value out of range)"},
        {"127.0.0.1:65536:80/tcp", "invalid ParentPort: 65536"},
        {"127.0.0.1:80:0/tcp", "invalid ChildPort: 0"},
        {"127.0.0.1:80:65536/tcp", "invalid ChildPort: 65536"},
    };
    for (const auto& one : cases) {
        const auto spec = PortSpec::parse(one.text);
        std::string expected = one.error;
        if (const auto at = expected.find("%s"); at != std::string::npos) {
            expected.replace(at, 2, "\"" + one.text + "\"");
        }
        ASSERT_FALSE(spec) << one.text;
        EXPECT_EQ(spec.error().message, expected);
    }
}

TEST(PortSpec, SyntaxAloneLeavesTheRangeToOthers) {
    const auto fields = parse_port_fields("127.0.0.1:70000:0/udp");
    ASSERT_TRUE(fields);
    EXPECT_EQ(fields->parent_port, 70000);
    EXPECT_EQ(fields->child_port, 0);
}

TEST(PortSpec, ChecksFieldsInOrder) {
    const auto error = [](PortFields fields) {
        const auto spec = PortSpec::from_fields(std::move(fields));
        return spec ? "" : spec.error().message;
    };
    EXPECT_EQ(error({"x", "y", 0, "z", 0}), "unknown proto: \"x\"");
    EXPECT_EQ(error({"tcp", "y", 0, "z", 0}), "invalid ParentIP: \"y\"");
    EXPECT_EQ(error({"tcp", "", 0, "z", 0}), "invalid ChildIP: \"z\"");
    EXPECT_EQ(error({"tcp", "", -1, "", 0}), "invalid ParentPort: -1");
    EXPECT_EQ(error({"tcp", "", 1, "", 65536}), "invalid ChildPort: 65536");
    EXPECT_EQ(error({"tcp", "fe80::1%lo", 1, "", 1}), "invalid ParentIP: \"fe80::1%lo\"");
    EXPECT_EQ(error({"tcp", std::string("::1\0x", 5), 1, "", 1}),
              "invalid ParentIP: \"::1\\x00x\"");
    EXPECT_EQ(error({"tcp", "::1", 1, "10.0.2.100", 1}), "");
    EXPECT_EQ(error({"tcp", "fd:http", 1, "", 1}), "invalid ParentPort: 1");
    EXPECT_EQ(error({"tcp", "fd:a:b", 0, "", 1}), "invalid ParentIP: \"fd:a:b\"");
    EXPECT_EQ(error({"tcp", "fd:", 0, "", 1}), "invalid ParentIP: \"fd:\"");
    EXPECT_EQ(error({"tcp", "", 1, "", 1, -1, 0}), "invalid ParentPort: 1--1");
    EXPECT_EQ(error({"tcp", "", 1, "", 1, 2, 2}), "");
}

TEST(PortSpec, ConflictsByTheTextOfProtocolParentAddressAndPort) {
    const auto conflict = [](std::string_view a, std::string_view b) {
        return PortSpec::parse(a)->conflicts_with(*PortSpec::parse(b));
    };
    EXPECT_TRUE(conflict("127.0.0.1:80:80/tcp", "127.0.0.1:80:81/tcp"));
    EXPECT_FALSE(conflict("127.0.0.1:80:80/tcp", "127.0.0.1:80:80/tcp4"));
    EXPECT_FALSE(conflict(":80:80/tcp", "0.0.0.0:80:80/tcp"));
    EXPECT_FALSE(conflict(":80:80/tcp", ":81:80/tcp"));
    EXPECT_FALSE(conflict(":80:80/tcp", ":80:80/udp"));
    EXPECT_TRUE(conflict(":80-90:80-90/tcp", ":85:85/tcp"));
    EXPECT_TRUE(conflict(":85:85/tcp", ":80-90:80-90/tcp"));
    EXPECT_FALSE(conflict(":80-90:80-90/tcp", ":91-92:91-92/tcp"));
    EXPECT_FALSE(conflict(":0:80/tcp", ":0:80/tcp"));
}

TEST(PortSpec, WhatNotEveryDriverCanDo) {
    const auto error = [](std::string_view text) {
        const auto fixed = PortSpec::parse(text)->check_one_fixed_port();
        return fixed ? "" : fixed.error().message;
    };
    EXPECT_EQ(error(":80:80/tcp"), "");
    EXPECT_EQ(error(":0:80/tcp"), "invalid ParentPort: 0");
    EXPECT_EQ(error(":80-81:80-81/tcp"), "invalid ParentPort: 80-81 is no single port");
    EXPECT_EQ(error("fd:web:80/tcp"), "invalid ParentIP: \"fd:web\"");
    EXPECT_EQ(PortSpec::parse("fd:web:80/tcp")->inherited_name(), "web");
    EXPECT_EQ(PortSpec::parse("fd:web:80/tcp")->with_parent("::1", 443).in_braces(),
              "{tcp ::1 443 80 }");
}

}  // namespace
}  // namespace rk::model
