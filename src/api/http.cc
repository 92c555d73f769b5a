// SPDX-License-Identifier: Apache-2.0
//
// The one file that includes Boost.Beast, and of it only the parser: Beast's message types, streams
// and Asio's I/O stay outside. Beast wants to see a whole header at once (it takes nothing before),
// then takes body bytes as they come.
#include "api/http.h"

#include "base/text.h"

#include <fmt/format.h>

// Header-only error codes: no library to link.
#define BOOST_ERROR_CODE_HEADER_ONLY 1  // NOLINT(cppcoreguidelines-macro-usage)
// 1.74's parser asserts that five bytes of the last chunk are there, which is for the sender to say
// (tests/fuzz/crashes/api_http/last_chunk_in_pieces); it reads on correctly.
#define BOOST_DISABLE_ASSERTS 1  // NOLINT(cppcoreguidelines-macro-usage)
#include <boost/beast/http/basic_parser.hpp>

#include <array>
#include <optional>

namespace rk::api {

namespace {

namespace http = boost::beast::http;
using ErrorCode = boost::beast::error_code;
using View = boost::beast::string_view;

struct StatusName {
    int status;
    std::string_view text;
};
constexpr std::array<StatusName, 15> kStatusNames = {{
    {200, "OK"},
    {201, "Created"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {413, "Request Entity Too Large"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
}};

struct Message {
    std::string method;
    std::string target;
    std::string body;
    std::string content_type;
    int status = 0;
    bool wants_continue = false;
};

std::string text_of(View view) {
    return {view.data(), view.size()};
}

template <bool IsRequest>
class Parser final : public http::basic_parser<IsRequest> {
 public:
    explicit Parser(Message& message) : message_(message) {
        this->header_limit(kMaxHeaderBytes);
        this->body_limit(IsRequest ? kMaxBodyBytes : kMaxResponseBytes);
        this->eager(true);
    }

 private:
    // clang-format off
    void on_request_impl(http::verb /*verb*/, View method, View target, int /*version*/,
                         ErrorCode& /*error*/) override {
        message_.method = text_of(method);
        message_.target = text_of(target);
    }
    void on_response_impl(int status, View /*reason*/, int /*version*/,
                          ErrorCode& /*error*/) override { message_.status = status; }
    void on_field_impl(http::field name, View /*text*/, View value,
                       ErrorCode& /*error*/) override {
        if (name == http::field::expect) {
            message_.wants_continue = boost::beast::iequals(value, "100-continue");
        } else if (name == http::field::content_type) {
            message_.content_type = text_of(value);
        }
    }
    void on_header_impl(ErrorCode& /*error*/) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>& /*length*/,
                           ErrorCode& /*error*/) override {}
    std::size_t on_body_impl(View bytes, ErrorCode& /*error*/) override { return take(bytes); }
    void on_chunk_header_impl(std::uint64_t /*size*/, View /*extensions*/,
                              ErrorCode& /*error*/) override {}
    std::size_t on_chunk_body_impl(std::uint64_t /*rest*/, View bytes,
                                   ErrorCode& /*error*/) override { return take(bytes); }
    void on_finish_impl(ErrorCode& /*error*/) override {}
    // clang-format on

    std::size_t take(View bytes) {
        message_.body.append(bytes.data(), bytes.size());
        return bytes.size();
    }

    Message& message_;
};

class AnyParser {
 public:
    AnyParser() = default;
    AnyParser(const AnyParser&) = delete;
    AnyParser& operator=(const AnyParser&) = delete;
    AnyParser(AnyParser&&) = delete;
    AnyParser& operator=(AnyParser&&) = delete;
    virtual ~AnyParser() = default;
    virtual void restart() = 0;
    virtual std::size_t put(std::string_view input, ErrorCode& error) = 0;
    virtual void put_eof(ErrorCode& error) = 0;
    [[nodiscard]] virtual bool done() const = 0;
    [[nodiscard]] virtual bool header_done() const = 0;
    [[nodiscard]] virtual bool keep_alive() const = 0;

    Message message;
};

template <bool IsRequest>
class DirectedParser final : public AnyParser {
 public:
    DirectedParser() { restart(); }
    void restart() override {
        message = {};
        parser_.emplace(message);
    }
    std::size_t put(std::string_view input, ErrorCode& error) override {
        return parser_->put(boost::asio::const_buffer(input.data(), input.size()), error);
    }
    void put_eof(ErrorCode& error) override {
        if (parser_->got_some()) {  // Beast asserts it
            parser_->put_eof(error);
        }
    }
    [[nodiscard]] bool done() const override { return parser_->is_done(); }
    [[nodiscard]] bool header_done() const override { return parser_->is_header_done(); }
    [[nodiscard]] bool keep_alive() const override { return parser_->keep_alive(); }

 private:
    std::optional<Parser<IsRequest>> parser_;
};

int status_of(const ErrorCode& error) {
    if (error == http::error::header_limit) {
        return 431;
    }
    return error == http::error::body_limit ? 413 : 400;
}

// RFC 9110, 5.6.7. Not strftime(3), whose names depend on the locale.
std::string http_date(std::time_t now) {
    constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
    constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                       kDays.at(static_cast<std::size_t>(parts.tm_wday)), parts.tm_mday,
                       kMonths.at(static_cast<std::size_t>(parts.tm_mon)), parts.tm_year + 1900,
                       parts.tm_hour, parts.tm_min, parts.tm_sec);
}

}  // namespace

std::string_view status_text(int status) {
    for (const StatusName& name : kStatusNames) {
        if (name.status == status) {
            return name.text;
        }
    }
    return {};
}

std::string serialize(const Response& response, std::time_t now) {
    std::string head =
        fmt::format("HTTP/1.1 {} {}\r\n", response.status, status_text(response.status));
    if (!response.content_type.empty()) {
        head += fmt::format("Content-Type: {}\r\n", response.content_type);
    }
    for (const auto& [name, value] : response.headers) {
        head += fmt::format("{}: {}\r\n", name, value);
    }
    if (!response.keep_alive) {
        head += "Connection: close\r\n";
    }
    head +=
        fmt::format("Date: {}\r\nContent-Length: {}\r\n\r\n", http_date(now), response.body.size());
    return head + response.body;
}

std::string serialize(const Request& request) {
    std::string head = fmt::format(
        "{} {} HTTP/1.1\r\nHost: rootlesskit\r\nUser-Agent: rootlesskit\r\nAccept: */*\r\n",
        request.method, request.target);
    if (request.method == "POST") {
        head += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n",
                            request.body.size());
    }
    return head + "\r\n" + request.body;
}

struct MessageReader::Impl {
    std::unique_ptr<AnyParser> parser;
    State state = State::kNeedMore;
    int failure_status = 0;

    void settle(const ErrorCode& error) {
        if (error && error != http::error::need_more) {
            state = State::kFailed;
            failure_status = status_of(error);
        } else if (parser->done()) {
            state = State::kComplete;
        }
    }
    void restart() {
        parser->restart();
        state = State::kNeedMore;
    }
};

MessageReader::MessageReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MessageReader::MessageReader(MessageReader&&) noexcept = default;
MessageReader& MessageReader::operator=(MessageReader&&) noexcept = default;
MessageReader::~MessageReader() = default;

MessageReader MessageReader::for_requests() {
    auto impl = std::make_unique<Impl>();
    impl->parser = std::make_unique<DirectedParser<true>>();
    return MessageReader(std::move(impl));
}

MessageReader MessageReader::for_responses() {
    auto impl = std::make_unique<Impl>();
    impl->parser = std::make_unique<DirectedParser<false>>();
    return MessageReader(std::move(impl));
}

std::size_t MessageReader::read(std::string_view input) {
    std::size_t taken = 0;
    // Each put() may stop early (a chunk's end); go on until it takes nothing more.
    while (impl_->state == State::kNeedMore && taken < input.size()) {
        ErrorCode error;
        const std::size_t some = impl_->parser->put(input.substr(taken), error);
        taken += some;
        impl_->settle(error);
        if (some == 0) {
            break;
        }
    }
    // Beast holds headers to their limit, but neither a chunk's extensions nor the trailer.
    if (impl_->state == State::kNeedMore && input.size() - taken > kMaxHeaderBytes) {
        impl_->state = State::kFailed;
        impl_->failure_status = 431;
    }
    return taken;
}

void MessageReader::end_of_stream() {
    if (impl_->state == State::kNeedMore) {
        ErrorCode error;
        impl_->parser->put_eof(error);
        impl_->settle(error);
        if (impl_->state == State::kNeedMore) {
            impl_->state = State::kFailed;
            impl_->failure_status = 400;
        }
    }
}

MessageReader::State MessageReader::state() const {
    return impl_->state;
}

bool MessageReader::take_continue_wish() {
    return impl_->state == State::kNeedMore && impl_->parser->header_done() &&
           std::exchange(impl_->parser->message.wants_continue, false);
}

int MessageReader::failure_status() const {
    return impl_->failure_status;
}

Request MessageReader::take_request() {
    Message& message = impl_->parser->message;
    Request request{std::move(message.method), std::move(message.target), std::move(message.body),
                    impl_->parser->keep_alive()};
    impl_->restart();
    return request;
}

Response MessageReader::take_response() {
    Message& message = impl_->parser->message;
    Response response;
    response.status = message.status;
    response.content_type = std::move(message.content_type);
    response.body = std::move(message.body);
    response.keep_alive = impl_->parser->keep_alive();
    impl_->restart();
    return response;
}

}  // namespace rk::api
