#include "control/daemon/webhook_sender.h"

#include <curl/curl.h>
#include <fmt/core.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <ctime>
#include <memory>

#ifndef HEADGATE_VERSION
#define HEADGATE_VERSION "0.1.0"
#endif

namespace headgate::control {
namespace {

constexpr long kConnectSeconds = 5, kSeconds = 10;

struct FreeHeaders {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
struct FreeEasy {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
using Headers = std::unique_ptr<curl_slist, FreeHeaders>;

void add_header(Headers& headers, const std::string& line) {
  if (curl_slist* longer = curl_slist_append(headers.get(), line.c_str())) {
    static_cast<void>(headers.release());
    headers.reset(longer);
  }
}

// What the receiver says is of no interest, however long it is.
std::size_t take_nothing(char*, std::size_t size, std::size_t count, void*) { return size * count; }

int go_on(void* ends, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(ends)->load() ? 1 : 0;
}

// "", or why not.
std::string post(const std::string& url, const std::string& secret, const std::string& body,
                 std::atomic<bool>& ends) {
  const std::unique_ptr<CURL, FreeEasy> easy(curl_easy_init());
  if (!easy) return "out of memory";
  Headers headers;
  add_header(headers, "Content-Type: application/json");
  add_header(headers, "Expect:");
  if (!secret.empty())
    add_header(headers, "X-Headgate-Signature: " + webhook_signature(secret, body, std::time(nullptr)));
  std::array<char, CURL_ERROR_SIZE> why{};
  CURL* to = easy.get();
  curl_easy_setopt(to, CURLOPT_URL, url.c_str());
  curl_easy_setopt(to, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(to, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(to, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(to, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(to, CURLOPT_TIMEOUT, kSeconds);
  curl_easy_setopt(to, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(to, CURLOPT_USERAGENT, "headgate/" HEADGATE_VERSION);
  curl_easy_setopt(to, CURLOPT_POSTFIELDS, body.c_str());
  curl_easy_setopt(to, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(to, CURLOPT_WRITEFUNCTION, take_nothing);
  curl_easy_setopt(to, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(to, CURLOPT_XFERINFOFUNCTION, go_on);
  curl_easy_setopt(to, CURLOPT_XFERINFODATA, &ends);
  curl_easy_setopt(to, CURLOPT_ERRORBUFFER, why.data());
  // As OpenSSL's own programs do; libcurl alone does not look.
  if (const char* authorities = std::getenv("SSL_CERT_FILE"); authorities != nullptr && *authorities != 0)
    curl_easy_setopt(to, CURLOPT_CAINFO, authorities);
  if (const CURLcode code = curl_easy_perform(to); code != CURLE_OK)
    return why[0] != 0 ? why.data() : curl_easy_strerror(code);
  long status = 0;
  curl_easy_getinfo(to, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 200 && status <= 299) return "";
  return fmt::format("it answered {}{}", status,
                     status >= 300 && status <= 399 ? ": redirects are not followed" : "");
}

}  // namespace

std::string webhook_signature(const std::string& secret, const std::string& body, std::int64_t unix_seconds) {
  const std::string text = fmt::format("{}.{}", unix_seconds, body);
  std::array<unsigned char, EVP_MAX_MD_SIZE> code{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), code.data(), &size);
  std::string signature = fmt::format("t={},v1=", unix_seconds);
  for (unsigned int i = 0; i < size; ++i) signature += fmt::format("{:02x}", code[i]);
  return signature;
}

WebhookSender::WebhookSender(boost::asio::io_context& io) : io_(io) { curl_global_init(CURL_GLOBAL_DEFAULT); }

WebhookSender::~WebhookSender() {
  ends_ = true;
  thread_.join();
}

void WebhookSender::send(std::string url, std::string secret, std::string body, Done done) {
  boost::asio::post(thread_, [this, url = std::move(url), secret = std::move(secret), body = std::move(body),
                              done = std::move(done)] {
    std::string error = post(url, secret, body, ends_);
    boost::asio::post(io_, [done, error = std::move(error)] { done(error); });
  });
}

}  // namespace headgate::control
