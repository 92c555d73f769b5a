// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/http.h"
#include "api/service.h"

#include <string_view>

namespace rk::api {

/// Answers one request. Touches nothing but the service, so every row of the API's table is a line
/// in a test.
[[nodiscard]] Response respond(const Request& request, const Service& service);

/// An error as clients expect it: {"message":"..."}.
[[nodiscard]] Response error_response(int status, std::string_view message);

}  // namespace rk::api
