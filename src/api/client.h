// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/codec.h"
#include "api/http.h"
#include "base/result.h"
#include "sys/fd.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace rk::api {

/// A blocking client of the API for the command-line tools. One connection is kept and reused;
/// where the server has closed it meanwhile, a new one is made.
///
/// Errors carry what the server said (`message` of its body), or, where that is not JSON,
/// `unexpected HTTP status Not Found, body="..."`.
class Client {
 public:
    /// Looks whether the socket is there: "stat PATH: no such file or directory".
    [[nodiscard]] static Result<Client> open(std::string socket_path);

    /// The body of a successful answer.
    [[nodiscard]] Result<std::string> get(std::string_view path);
    /// POST /v1/ports; the answer's body.
    [[nodiscard]] Result<std::string> add_port(const model::PortFields& spec);
    /// DELETE /v1/ports/ID.
    [[nodiscard]] Result<void> remove_port(std::int64_t id);
    /// POST /v1/egress; the answer's body. `action` is "deny" or "allow".
    [[nodiscard]] Result<std::string> add_egress(std::string_view action, std::string_view rule);
    /// DELETE /v1/egress/ID.
    [[nodiscard]] Result<void> remove_egress(std::int64_t id);
    /// GET /v1/info, decoded.
    [[nodiscard]] Result<Info> info();

    /// Ends the connection, so that it does not take a place at the server; the next call makes
    /// one.
    void disconnect() { socket_.reset(); }
    /// Whether somebody still listens.
    [[nodiscard]] bool reachable() const;
    /// Of the kept connection; readable when the server ends it. -1 without one.
    [[nodiscard]] sys::FdRef connection() const { return socket_; }

 private:
    explicit Client(std::string socket_path) : socket_path_(std::move(socket_path)) {}
    [[nodiscard]] Result<std::string> call(const Request& request);
    [[nodiscard]] Result<Response> exchange(const Request& request);
    [[nodiscard]] Result<void> send(const Request& request);
    [[nodiscard]] Result<Response> receive();

    std::string socket_path_;
    sys::Fd socket_;
    bool answered_ = false;  // whether any byte of the answer has come
};

}  // namespace rk::api
