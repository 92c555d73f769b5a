// SPDX-License-Identifier: Apache-2.0
// Requests in any pieces: the first byte says how long the pieces are. Whatever comes out is the
// same as when fed whole, stays within the limits, and gets an answer that our own client can read.
#include "api/http.h"
#include "api/routes.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace {

using rk::api::MessageReader;
using State = MessageReader::State;

struct Outcome {
    std::vector<rk::api::Request> requests;
    State state = State::kNeedMore;
};

Outcome read_all(std::string_view input, std::size_t step) {
    MessageReader reader = MessageReader::for_requests();
    Outcome outcome;
    std::string pending;
    bool more = true;
    while (more && reader.state() != State::kFailed) {
        const std::string_view piece = input.substr(0, step);
        input.remove_prefix(piece.size());
        pending += piece;
        const std::size_t taken = reader.read(pending);
        pending.erase(0, taken);
        const bool complete = reader.state() == State::kComplete;
        if (complete) {
            outcome.requests.push_back(reader.take_request());
        }
        more = !piece.empty() || complete;
    }
    outcome.state = reader.state();
    return outcome;
}

void check_answer(const rk::api::Request& request) {
    const rk::api::Service nothing;
    const std::string bytes = serialize(rk::api::respond(request, nothing), 0);
    MessageReader reader = MessageReader::for_responses();
    if (reader.read(bytes) != bytes.size() || reader.state() != State::kComplete) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::size_t step = std::size_t{data[0]} + 1;
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Outcome pieces = read_all(input, step);
    const Outcome whole = read_all(input, input.size() + 1);
    if (pieces.requests.size() != whole.requests.size()) {
        std::abort();
    }
    for (std::size_t i = 0; i < whole.requests.size(); ++i) {
        const rk::api::Request& request = whole.requests[i];
        if (request.body != pieces.requests[i].body ||
            request.target != pieces.requests[i].target ||
            request.body.size() > rk::api::kMaxBodyBytes ||
            request.target.size() > rk::api::kMaxHeaderBytes) {
            std::abort();
        }
        check_answer(request);
    }
    MessageReader responses = MessageReader::for_responses();
    static_cast<void>(responses.read(input));
    responses.end_of_stream();
    return 0;
}
