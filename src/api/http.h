// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.1 as a pure codec: bytes in, messages out, and back. No socket is touched here, so fuzzers
// and tests eat it whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rk::api {

/// Bytes of a request's start line and header together. Clients send about 200.
inline constexpr std::uint32_t kMaxHeaderBytes = 16U << 10U;
/// Bytes of a request's body. A port's description has about 150.
inline constexpr std::uint64_t kMaxBodyBytes = std::uint64_t{64} << 10U;
/// Bytes of a response a client accepts: some 100,000 ports.
inline constexpr std::uint64_t kMaxResponseBytes = std::uint64_t{16} << 20U;

struct Request {
    std::string method;
    std::string target;  // as sent: "/v1/ports", maybe with a query, maybe absolute
    std::string body;
    bool keep_alive = true;
};

struct Response {
    int status = 200;
    std::string content_type;  // "" = none
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;  // besides those every response has
    bool keep_alive = true;
};

/// "Not Found"; "" for a number without a name.
[[nodiscard]] std::string_view status_text(int status);

/// The response as bytes. `now` (seconds since the epoch) becomes its Date.
[[nodiscard]] std::string serialize(const Response& response, std::time_t now);

/// The request as bytes, with the length of its body unless the method has none.
[[nodiscard]] std::string serialize(const Request& request);

/// Reads messages of one direction from a byte stream, one after the other. Feed it the unread
/// bytes; it takes what it understands, and needs to see the rest again, together with what came
/// later.
class MessageReader {
 public:
    enum class State { kNeedMore, kComplete, kFailed };

    [[nodiscard]] static MessageReader for_requests();
    [[nodiscard]] static MessageReader for_responses();
    MessageReader(MessageReader&&) noexcept;
    MessageReader& operator=(MessageReader&&) noexcept;
    ~MessageReader();

    /// Reads on; returns how many bytes of `input` it took. Takes none once complete or failed.
    [[nodiscard]] std::size_t read(std::string_view input);
    /// The stream has ended: completes a response that lasts until then, fails a half message.
    void end_of_stream();

    [[nodiscard]] State state() const;
    /// Whether the header is complete, the body is not, and the sender waits for "100 Continue".
    /// True once for each message.
    [[nodiscard]] bool take_continue_wish();
    /// With kFailed: what to answer (400, 413, 431).
    [[nodiscard]] int failure_status() const;

    /// With kComplete: the message; the next one is read afterwards.
    [[nodiscard]] Request take_request();
    [[nodiscard]] Response take_response();

 private:
    struct Impl;
    explicit MessageReader(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace rk::api
