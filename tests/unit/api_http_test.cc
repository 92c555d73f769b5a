// SPDX-License-Identifier: Apache-2.0
#include "api/http.h"

#include <gtest/gtest.h>

#include <vector>

namespace rk::api {
namespace {

using State = MessageReader::State;

// Feeds `input` in pieces of `step` bytes, as a socket would.
std::vector<Request> read_all(std::string_view input, std::size_t step, MessageReader& reader) {
    std::vector<Request> requests;
    std::string pending;
    while (!input.empty() || !pending.empty()) {
        pending += input.substr(0, step);
        input.remove_prefix(std::min(step, input.size()));
        pending.erase(0, reader.read(pending));
        if (reader.state() == State::kComplete) {
            requests.push_back(reader.take_request());
        } else if (reader.state() == State::kFailed || input.empty()) {
            break;
        }
    }
    return requests;
}

int failure_of(std::string_view input) {
    MessageReader reader = MessageReader::for_requests();
    static_cast<void>(read_all(input, 4096, reader));
    return reader.state() == State::kFailed ? reader.failure_status() : 0;
}

constexpr std::string_view kThree =
    "POST /v1/ports HTTP/1.1\r\nHost: rootlesskit\r\nContent-Length: 4\r\n\r\nabcd"
    "GET /v1/info HTTP/1.1\r\nHost: x\r\n\r\n"
    "POST /v1/ports HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n";

TEST(ApiHttp, ReadsPipelinedRequestsInAnyPieces) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{4096}}) {
        MessageReader reader = MessageReader::for_requests();
        const auto requests = read_all(kThree, step, reader);
        ASSERT_EQ(requests.size(), 3U) << step;
        EXPECT_EQ(requests[0].method, "POST");
        EXPECT_EQ(requests[0].target, "/v1/ports");
        EXPECT_EQ(requests[0].body, "abcd");
        EXPECT_TRUE(requests[0].keep_alive);
        EXPECT_EQ(requests[1].method, "GET");
        EXPECT_EQ(requests[1].body, "");
        EXPECT_EQ(requests[2].body, "abcde");
        EXPECT_FALSE(requests[2].keep_alive);
    }
}

TEST(ApiHttp, HonoursHttp10) {
    MessageReader reader = MessageReader::for_requests();
    EXPECT_FALSE(read_all("GET / HTTP/1.0\r\n\r\n", 99, reader).at(0).keep_alive);
    EXPECT_TRUE(
        read_all("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 99, reader).at(0).keep_alive);
}

TEST(ApiHttp, RefusesGarbageAndTooMuch) {
    EXPECT_EQ(failure_of("garbage\r\n\r\n"), 400);
    EXPECT_EQ(failure_of("GET / HTTP/7.0\r\n\r\n"), 400);
    EXPECT_EQ(failure_of("GET / HTTP/1.1\r\nBad Header: x\r\n\r\n"), 400);
    EXPECT_EQ(failure_of("GET /" + std::string(kMaxHeaderBytes + 10, 'a')), 431);
    EXPECT_EQ(failure_of("GET / HTTP/1.1\r\nX: " + std::string(kMaxHeaderBytes, 'a') + "\r\n\r\n"),
              431);
    EXPECT_EQ(failure_of("POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n"), 413);
    EXPECT_EQ(failure_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n" +
                         std::string(65537, 'x')),
              413);
    const std::string chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(failure_of(chunked + "1;" + std::string(2 * kMaxHeaderBytes, 'x')), 431);
    EXPECT_EQ(failure_of(chunked + "0\r\nX: " + std::string(2 * kMaxHeaderBytes, 'x')), 431);
    EXPECT_EQ(failure_of("POST / HTTP/1.1\r\nContent-Length: 65536\r\n\r\n"), 0);
    EXPECT_EQ(failure_of("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), 400);
}

TEST(ApiHttp, AsksForTheBodyOnce) {
    MessageReader reader = MessageReader::for_requests();
    std::string input = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    input.erase(0, reader.read(input));
    EXPECT_TRUE(reader.take_continue_wish());
    EXPECT_FALSE(reader.take_continue_wish());
    EXPECT_EQ(reader.read("ab"), 2U);
    EXPECT_EQ(reader.take_request().body, "ab");
}

TEST(ApiHttp, WritesResponses) {
    Response response;
    response.status = 201;
    response.content_type = "application/json";
    response.body = "{}";
    EXPECT_EQ(serialize(response, 784111777),
              "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
              "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\n{}");
    response.keep_alive = false;
    response.content_type = "";
    response.headers = {{"Location", "/x"}};
    EXPECT_EQ(serialize(response, 784111777),
              "HTTP/1.1 201 Created\r\nLocation: /x\r\nConnection: close\r\n"
              "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\n{}");
}

TEST(ApiHttp, AnEndWithoutAnythingIsAFailure) {
    MessageReader reader = MessageReader::for_responses();
    reader.end_of_stream();
    EXPECT_EQ(reader.state(), State::kFailed);
}

TEST(ApiHttp, ReadsResponses) {
    MessageReader reader = MessageReader::for_responses();
    const std::string sized = serialize(
        Response{.status = 404, .content_type = "text/plain", .body = "no", .headers = {}}, 0);
    EXPECT_EQ(reader.read(sized), sized.size());
    const Response response = reader.take_response();
    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(response.body, "no");
    EXPECT_TRUE(response.keep_alive);
    std::string endless = "HTTP/1.1 200 OK\r\n\r\nall of it";
    endless.erase(0, reader.read(endless));
    EXPECT_EQ(reader.state(), State::kNeedMore);
    reader.end_of_stream();
    ASSERT_EQ(reader.state(), State::kComplete);
    EXPECT_EQ(reader.take_response().body, "all of it");
    static_cast<void>(reader.read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha"));
    reader.end_of_stream();
    EXPECT_EQ(reader.state(), State::kFailed);
}

}  // namespace
}  // namespace rk::api
