#include "lib/rpc/certificate.h"

#include <arpa/inet.h>
#include <openssl/provider.h>

#include <cstddef>
#include <ctime>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/openssl_ptr.h"

namespace specula {
namespace {

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

std::string NameText(const X509_NAME* name) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr ||
      X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) {
    return "";
  }
  return BioText(bio.get());
}

std::string CommonName(const X509_NAME* name) {
  const int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (index < 0) return "";
  unsigned char* utf8 = nullptr;
  const int length = ASN1_STRING_to_UTF8(
      &utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)));
  if (length < 0) return "";
  OpenSslText owner(reinterpret_cast<char*>(utf8));
  return std::string(owner.get(), static_cast<size_t>(length));
}

absl::StatusOr<absl::Time> TimeOf(const ASN1_TIME* time) {
  std::tm parts = {};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) {
    return absl::InvalidArgumentError("certificate has a malformed date");
  }
  return absl::FromTM(parts, absl::UTCTimeZone());
}

absl::StatusOr<std::string> SerialOf(const X509* x509) {
  BignumPtr number(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), /*bn=*/nullptr));
  if (number == nullptr) return OpenSslInternal("serial");
  // A denylist cannot name such a certificate, so nobody could revoke it.
  if (BN_is_zero(number.get()) || BN_is_negative(number.get())) {
    return absl::InvalidArgumentError(
        "certificate has a serial that is not positive");
  }
  OpenSslText text(BN_bn2hex(number.get()));
  if (text == nullptr) return OpenSslInternal("serial");
  return NormalizeSerial(text.get());
}

// The extension `nid`, or null if the certificate has none. One that is there
// twice or does not decode is refused: readers would differ about its meaning.
template <typename Pointer>
absl::StatusOr<Pointer> Extension(const X509* x509, int nid) {
  int critical = 0;
  Pointer extension(static_cast<typename Pointer::pointer>(
      X509_get_ext_d2i(x509, nid, &critical, /*idx=*/nullptr)));
  if (extension == nullptr && critical != -1) {
    std::string reason =
        critical == -2 ? "it is there more than once" : OpenSslReason();
    return absl::InvalidArgumentError(absl::StrCat(
        "certificate has a bad extension ", OBJ_nid2sn(nid), ": ", reason));
  }
  return extension;
}

absl::StatusOr<std::string> AddressText(const ASN1_OCTET_STRING* address) {
  const int length = ASN1_STRING_length(address);
  if (length != 4 && length != 16) {
    return absl::InvalidArgumentError(absl::StrCat(
        "certificate has an IP address of ", length, " bytes as a SAN"));
  }
  char text[INET6_ADDRSTRLEN];
  inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address),
            text, sizeof(text));
  return text;
}

absl::StatusOr<std::string> SanText(const ASN1_IA5STRING* name) {
  std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name)),
                   static_cast<size_t>(ASN1_STRING_length(name)));
  // "good\0.evil" was signed for .evil, but a reader in C would see "good". To
  // drop the name would not do: the other names of a forger are no better.
  if (text.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("certificate has a SAN with a NUL byte");
  }
  return text;
}

absl::Status ReadSans(const X509* x509, Certificate* certificate) {
  ASSIGN_OR_RETURN(GeneralNamesPtr names,
                   Extension<GeneralNamesPtr>(x509, NID_subject_alt_name));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get());
       ++i) {
    int type = 0;
    const void* value =
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type);
    if (type == GEN_URI) {
      ASSIGN_OR_RETURN(std::string text,
                       SanText(static_cast<const ASN1_IA5STRING*>(value)));
      certificate->uris.push_back(std::move(text));
    } else if (type == GEN_DNS) {
      ASSIGN_OR_RETURN(std::string text,
                       SanText(static_cast<const ASN1_IA5STRING*>(value)));
      certificate->dns_names.push_back(std::move(text));
    } else if (type == GEN_IPADD) {
      ASSIGN_OR_RETURN(
          std::string text,
          AddressText(static_cast<const ASN1_OCTET_STRING*>(value)));
      certificate->ip_addresses.push_back(std::move(text));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadUsages(const X509* x509, Certificate* certificate) {
  ASSIGN_OR_RETURN(BasicConstraintsPtr constraints,
                   Extension<BasicConstraintsPtr>(x509, NID_basic_constraints));
  certificate->is_authority = constraints != nullptr && constraints->ca != 0;
  ASSIGN_OR_RETURN(ExtendedKeyUsagePtr usages,
                   Extension<ExtendedKeyUsagePtr>(x509, NID_ext_key_usage));
  for (int i = 0; usages != nullptr && i < sk_ASN1_OBJECT_num(usages.get());
       ++i) {
    const int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(usages.get(), i));
    if (nid == NID_client_auth) certificate->client_auth = true;
    if (nid == NID_server_auth) certificate->server_auth = true;
  }
  return absl::OkStatus();
}

// Not X509_digest: the library context of ReadFirstPem has no digests.
absl::StatusOr<std::string> FingerprintOf(const X509* x509) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(x509, &der);
  const OpenSslBytes owner(der);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (size < 0 || EVP_Digest(der, static_cast<size_t>(size), digest, &length,
                             EVP_sha256(), /*impl=*/nullptr) != 1) {
    return OpenSslInternal("fingerprint");
  }
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<char*>(digest), length));
}

absl::StatusOr<Certificate> Describe(const X509* x509) {
  ERR_clear_error();
  Certificate certificate;
  ASSIGN_OR_RETURN(certificate.serial, SerialOf(x509));
  certificate.subject = NameText(X509_get_subject_name(x509));
  certificate.common_name = CommonName(X509_get_subject_name(x509));
  certificate.issuer = NameText(X509_get_issuer_name(x509));
  RETURN_IF_ERROR(ReadSans(x509, &certificate));
  RETURN_IF_ERROR(ReadUsages(x509, &certificate));
  ASSIGN_OR_RETURN(certificate.not_before, TimeOf(X509_get0_notBefore(x509)));
  ASSIGN_OR_RETURN(certificate.not_after, TimeOf(X509_get0_notAfter(x509)));
  ASSIGN_OR_RETURN(certificate.sha256, FingerprintOf(x509));
  return certificate;
}

absl::Status Prefixed(absl::string_view what, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(what, ": ", status.message()));
}

absl::Status CheckTime(absl::string_view what, const X509* x509,
                       absl::Time now) {
  ASSIGN_OR_RETURN(absl::Time not_before, TimeOf(X509_get0_notBefore(x509)));
  ASSIGN_OR_RETURN(absl::Time not_after, TimeOf(X509_get0_notAfter(x509)));
  if (now < not_before) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, " is not valid before ", TimeText(not_before)));
  }
  if (now >= not_after) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, " expired on ", TimeText(not_after)));
  }
  return absl::OkStatus();
}

// Why X509_verify_cert said no, in the words of who has to mend it.
absl::Status ExplainChain(X509_STORE_CTX* context, absl::Time now) {
  const int error = X509_STORE_CTX_get_error(context);
  const X509* current = X509_STORE_CTX_get_current_cert(context);
  const std::string subject =
      current == nullptr ? "" : NameText(X509_get_subject_name(current));
  switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return absl::FailedPreconditionError(absl::StrCat(
          "certificate is not signed by any of the roots: ",
          X509_verify_cert_error_string(error), " (", subject, ")"));
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CERT_HAS_EXPIRED:
      if (current != nullptr) {
        RETURN_IF_ERROR(
            CheckTime(absl::StrCat("issuer ", subject), current, now));
      }
      [[fallthrough]];
    default:
      return absl::FailedPreconditionError(absl::StrCat(
          "certificate does not chain up to a root: ",
          X509_verify_cert_error_string(error), " (", subject, ")"));
  }
}

absl::Status CheckChain(const std::vector<X509Ptr>& roots,
                        const std::vector<X509Ptr>& chain, absl::Time now) {
  X509StorePtr store(X509_STORE_new());
  X509StackPtr untrusted(sk_X509_new_null());
  X509StoreCtxPtr context(X509_STORE_CTX_new());
  if (store == nullptr || untrusted == nullptr || context == nullptr) {
    return OpenSslInternal("certificate store");
  }
  for (const X509Ptr& root : roots) {
    if (X509_STORE_add_cert(store.get(), root.get()) != 1) {
      return OpenSslInternal("certificate store");
    }
  }
  for (size_t i = 1; i < chain.size(); ++i) {
    if (sk_X509_push(untrusted.get(), chain[i].get()) == 0) {
      return OpenSslInternal("certificate chain");
    }
  }
  if (X509_STORE_CTX_init(context.get(), store.get(), chain[0].get(),
                          untrusted.get()) != 1) {
    return OpenSslInternal("certificate chain");
  }
  // No purpose is set: the same material is served and presented.
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, absl::ToTimeT(now));
  // What libssl asks of a chain by default; else weak keys pass here and fail
  // when the server starts.
  X509_VERIFY_PARAM_set_auth_level(parameters, 2);
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  return good ? absl::OkStatus() : ExplainChain(context.get(), now);
}

// A library context that can compute nothing. A certificate that is read in it
// has names, dates and extensions but no key, and takes a quarter of the time:
// OpenSSL 3.0 decodes the key at once, and by asking all its decoders. Never
// freed, for gRPC's threads may use it to the last.
OSSL_LIB_CTX* WithoutAlgorithms() {
  static OSSL_LIB_CTX* const context = [] {
    OSSL_LIB_CTX* const made = OSSL_LIB_CTX_new();
    // Without the null provider the default one would be taken.
    if (made != nullptr) OSSL_PROVIDER_load(made, "null");
    return made;
  }();
  return context;
}

// Null, with OpenSSL's reason, if the bytes are no certificate. The key in it
// does not matter.
X509Ptr ReadDer(const unsigned char* der, long size) {
  X509* x509 = X509_new_ex(WithoutAlgorithms(), /*propq=*/nullptr);
  if (x509 == nullptr) return nullptr;
  // Not d2i_X509: that judges the extensions as well, with a digest. Frees what
  // it was given when it fails.
  if (ASN1_item_d2i(reinterpret_cast<ASN1_VALUE**>(&x509), &der, size,
                    ASN1_ITEM_rptr(X509)) == nullptr) {
    return nullptr;
  }
  ERR_clear_error();  // that the key could not be decoded
  return X509Ptr(x509);
}

// Not ReadX509Pem: what follows the first certificate does not matter here.
absl::StatusOr<X509Ptr> ReadFirstPem(absl::string_view pem) {
  ERR_clear_error();
  BioPtr bio = ReadingBio(pem);
  if (bio == nullptr) return absl::InvalidArgumentError("PEM is too long");
  bool asked = false;
  unsigned char* der = nullptr;
  long size = 0;
  const bool is_pem =
      PEM_bytes_read_bio(&der, &size, /*pnm=*/nullptr, PEM_STRING_X509,
                         bio.get(), RefusePassword, &asked) == 1;
  const OpenSslBytes owner(der);
  if (is_pem) {
    X509Ptr x509 = ReadDer(der, size);
    if (x509 != nullptr) return x509;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("holds no PEM certificate that parses: ", OpenSslReason()));
}

bool IsFor(X509* x509, const std::string& host) {
  unsigned char address[sizeof(in6_addr)];
  const bool nul = host.find('\0') != std::string::npos;
  size_t length = 0;
  if (!nul && inet_pton(AF_INET, host.c_str(), address) == 1) length = 4;
  if (!nul && inet_pton(AF_INET6, host.c_str(), address) == 1) length = 16;
  // An address as a DNS SAN does not count, so it must not reach check_host.
  if (length > 0) return X509_check_ip(x509, address, length, 0) == 1;
  // OpenSSL takes ".example.org" for all that is below example.org, and
  // "*.example.org" for a host of that name.
  if (host.empty() || nul || host.front() == '.' ||
      absl::StrContains(host, '*')) {
    return false;
  }
  // No certificate has the dot by which a name is said to be whole.
  const size_t length_of_name = host.size() - (host.back() == '.' ? 1 : 0);
  return X509_check_host(x509, host.data(), length_of_name,
                         X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                             X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                         /*peername=*/nullptr) == 1;
}

}  // namespace

absl::StatusOr<Certificate> ParseCertificatePem(absl::string_view pem) {
  ASSIGN_OR_RETURN(X509Ptr x509, ReadFirstPem(pem));
  return Describe(x509.get());
}

absl::StatusOr<Certificate> ParseCertificateDer(absl::string_view der) {
  ERR_clear_error();
  X509Ptr x509 = ReadDer(reinterpret_cast<const unsigned char*>(der.data()),
                         static_cast<long>(der.size()));
  if (x509 == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("no certificate that parses: ", OpenSslReason()));
  }
  return Describe(x509.get());
}

absl::StatusOr<std::vector<Certificate>> ParseCertificatesPem(
    absl::string_view pem) {
  ASSIGN_OR_RETURN(std::vector<X509Ptr> all, ReadX509Pem(pem));
  std::vector<Certificate> certificates;
  for (size_t i = 0; i < all.size(); ++i) {
    absl::StatusOr<Certificate> certificate = Describe(all[i].get());
    if (!certificate.ok()) {
      return Prefixed(absl::StrCat("certificate ", i + 1, " of the PEM"),
                      certificate.status());
    }
    certificates.push_back(*std::move(certificate));
  }
  return certificates;
}

absl::Status CheckMaterial(absl::string_view roots_pem,
                           absl::string_view certificate_pem,
                           absl::string_view key_pem, absl::Time now) {
  absl::StatusOr<std::vector<X509Ptr>> roots = ReadX509Pem(roots_pem);
  if (!roots.ok()) return Prefixed("roots", roots.status());
  absl::StatusOr<std::vector<X509Ptr>> chain = ReadX509Pem(certificate_pem);
  if (!chain.ok()) return Prefixed("certificate", chain.status());
  absl::StatusOr<KeyPtr> key = ReadKeyPem(key_pem);
  if (!key.ok()) return Prefixed("key", key.status());
  const X509* leaf = chain->front().get();
  if (absl::StatusOr<Certificate> described = Describe(leaf); !described.ok()) {
    return Prefixed("certificate", described.status());
  }
  if (X509_check_private_key(leaf, key->get()) != 1) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the key does not belong to the certificate: ", OpenSslReason()));
  }
  RETURN_IF_ERROR(CheckTime("certificate", leaf, now));
  return CheckChain(*roots, *chain, now);
}

absl::StatusOr<ServerCertificate> ParseServerCertificatePem(
    absl::string_view pem, const std::string& host) {
  ASSIGN_OR_RETURN(X509Ptr x509, ReadFirstPem(pem));
  ASSIGN_OR_RETURN(Certificate certificate, Describe(x509.get()));
  return ServerCertificate{std::move(certificate), IsFor(x509.get(), host)};
}

absl::StatusOr<std::string> NormalizeSerial(absl::string_view text) {
  absl::string_view rest = absl::StripAsciiWhitespace(text);
  if (!absl::ConsumePrefix(&rest, "0x")) absl::ConsumePrefix(&rest, "0X");
  auto bad = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", EscapeControls(text.substr(0, 100)),
                     "\" is not a serial: ", why));
  };
  std::string digits;
  bool first = true;
  const bool parted = absl::StrContains(rest, ':');
  for (absl::string_view part : absl::StrSplit(rest, ':')) {
    // "a:b" could be 0A0B or AB; to guess wrong would revoke another one.
    if (part.empty() ||
        (parted && part.size() != 2 && !(first && part.size() == 1))) {
      return bad("it must be hex digits, in pairs if parted by colons");
    }
    first = false;
    absl::StrAppend(&digits, part);
  }
  for (char& c : digits) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) {
      return bad("it must be hex digits");
    }
    c = absl::ascii_toupper(static_cast<unsigned char>(c));
  }
  digits.erase(0, digits.find_first_not_of('0'));
  if (digits.empty()) return bad("it must not be 0");
  return digits;
}

}  // namespace specula
