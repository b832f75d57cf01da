#include "ctl/pki/authority.h"

#include <arpa/inet.h>

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/identity.h"
#include "lib/rpc/openssl_ptr.h"

namespace specula::ctl {
namespace {

constexpr int kSerialBits = 159;  // 20 bytes in DER, and never negative

absl::StatusOr<std::string> KeyPem(EVP_PKEY* key) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr ||
      PEM_write_bio_PrivateKey(bio.get(), key, /*enc=*/nullptr, nullptr, 0,
                               nullptr, nullptr) != 1) {
    return OpenSslInternal("cannot write the key");
  }
  return BioText(bio.get());
}

absl::StatusOr<std::string> CertificatePem(X509* x509) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), x509) != 1) {
    return OpenSslInternal("cannot write the certificate");
  }
  return BioText(bio.get());
}

absl::Status SetSerial(X509* x509) {
  BignumPtr number(BN_new());
  if (number == nullptr) return OpenSslInternal("serial");
  do {
    if (BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ANY,
                BN_RAND_BOTTOM_ANY) != 1) {
      return OpenSslInternal("serial");
    }
  } while (BN_is_zero(number.get()));
  if (BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x509)) ==
      nullptr) {
    return OpenSslInternal("serial");
  }
  return absl::OkStatus();
}

absl::Status AddToSubject(X509* x509, const char* field,
                          const std::string& text) {
  // A NUL would end the name for readers in C.
  if (text.empty() || text.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("subject ", field, " is empty or has a NUL byte"));
  }
  if (X509_NAME_add_entry_by_txt(
          X509_get_subject_name(x509), field, MBSTRING_UTF8,
          reinterpret_cast<const unsigned char*>(text.data()),
          static_cast<int>(text.size()), -1, 0) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("subject ", field, " \"",
                                                   EscapeControls(text),
                                                   "\": ", OpenSslReason()));
  }
  return absl::OkStatus();
}

// A certificate with a new serial, the dates and the public half of `key`.
absl::StatusOr<X509Ptr> Blank(EVP_PKEY* key, absl::Time not_before,
                              absl::Time not_after) {
  if (!(not_before < not_after)) {
    return absl::InvalidArgumentError(
        "the certificate would end before it begins");
  }
  X509Ptr x509(X509_new());
  if (x509 == nullptr || X509_set_version(x509.get(), X509_VERSION_3) != 1 ||
      X509_set_pubkey(x509.get(), key) != 1) {
    return OpenSslInternal("certificate");
  }
  RETURN_IF_ERROR(SetSerial(x509.get()));
  if (ASN1_TIME_set(X509_getm_notBefore(x509.get()),
                    absl::ToTimeT(not_before)) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(x509.get()), absl::ToTimeT(not_after)) ==
          nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("dates of the certificate: ", OpenSslReason()));
  }
  return x509;
}

// `value` is in the language of openssl.cnf, so it must never hold foreign
// text.
absl::Status AddExtension(X509* x509, const X509* issuer, int nid,
                          const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, const_cast<X509*>(issuer), x509, nullptr, nullptr,
                 0);
  X509V3_set_ctx_nodb(&context);
  X509ExtensionPtr extension(
      X509V3_EXT_conf_nid(/*conf=*/nullptr, &context, nid, value));
  if (extension == nullptr ||
      X509_add_ext(x509, extension.get(), /*loc=*/-1) != 1) {
    return OpenSslInternal(absl::StrCat("extension ", OBJ_nid2sn(nid)));
  }
  return absl::OkStatus();
}

absl::Status AddName(GENERAL_NAMES* names, int type, int string_type,
                     absl::string_view bytes) {
  GeneralNamePtr name(GENERAL_NAME_new());
  ASN1_STRING* text = ASN1_STRING_type_new(string_type);
  if (name == nullptr || text == nullptr) {
    ASN1_STRING_free(text);
    return OpenSslInternal("SAN");
  }
  GENERAL_NAME_set0_value(name.get(), type, text);
  if (ASN1_STRING_set(text, bytes.data(), static_cast<int>(bytes.size())) !=
          1 ||
      sk_GENERAL_NAME_push(names, name.get()) == 0) {
    return OpenSslInternal("SAN");
  }
  (void)name.release();
  return absl::OkStatus();
}

absl::Status AddTextName(GENERAL_NAMES* names, int type,
                         const std::string& text) {
  bool printable = !text.empty();
  for (char c : text) {
    printable = printable && absl::ascii_isgraph(static_cast<unsigned char>(c));
  }
  if (!printable) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", EscapeControls(text),
                     "\" cannot be a name of a certificate: it must be "
                     "printable ASCII without blanks"));
  }
  return AddName(names, type, V_ASN1_IA5STRING, text);
}

absl::Status AddAddress(GENERAL_NAMES* names, const std::string& text) {
  char bytes[sizeof(in6_addr)];
  size_t length = 0;
  if (text.find('\0') == std::string::npos) {
    if (inet_pton(AF_INET, text.c_str(), bytes) == 1) length = 4;
    if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) length = 16;
  }
  if (length == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", EscapeControls(text), "\" is not an IP address"));
  }
  return AddName(names, GEN_IPADD, V_ASN1_OCTET_STRING,
                 absl::string_view(bytes, length));
}

absl::Status AddSans(X509* x509, const CertificateRequest& request) {
  GeneralNamesPtr names(GENERAL_NAMES_new());
  if (names == nullptr) return OpenSslInternal("SAN");
  for (const std::string& uri : request.uris) {
    RETURN_IF_ERROR(AddTextName(names.get(), GEN_URI, uri));
  }
  for (const std::string& name : request.dns_names) {
    RETURN_IF_ERROR(AddTextName(names.get(), GEN_DNS, name));
  }
  for (const std::string& address : request.ip_addresses) {
    RETURN_IF_ERROR(AddAddress(names.get(), address));
  }
  // The extension must not be there with nothing in it (RFC 5280, 4.2.1.6).
  if (sk_GENERAL_NAME_num(names.get()) == 0) return absl::OkStatus();
  if (X509_add1_ext_i2d(x509, NID_subject_alt_name, names.get(), /*crit=*/0,
                        X509V3_ADD_DEFAULT) != 1) {
    return OpenSslInternal("SAN");
  }
  return absl::OkStatus();
}

absl::Status AddLeafExtensions(X509* x509, const X509* issuer,
                               const CertificateRequest& request) {
  RETURN_IF_ERROR(
      AddExtension(x509, issuer, NID_basic_constraints, "critical,CA:FALSE"));
  RETURN_IF_ERROR(
      AddExtension(x509, issuer, NID_key_usage, "critical,digitalSignature"));
  const char* usages = nullptr;
  if (request.server_auth) usages = "serverAuth";
  if (request.client_auth) usages = "clientAuth";
  if (request.server_auth && request.client_auth) {
    usages = "serverAuth,clientAuth";
  }
  if (usages != nullptr) {
    RETURN_IF_ERROR(AddExtension(x509, issuer, NID_ext_key_usage, usages));
  }
  RETURN_IF_ERROR(AddSans(x509, request));
  RETURN_IF_ERROR(
      AddExtension(x509, issuer, NID_subject_key_identifier, "hash"));
  return AddExtension(x509, issuer, NID_authority_key_identifier,
                      "keyid:always");
}

// Signs x509 with `signer` and packs it with its own key.
absl::StatusOr<KeyPair> Finish(X509* x509, EVP_PKEY* signer, EVP_PKEY* key) {
  if (X509_sign(x509, signer, EVP_sha256()) == 0) {
    return OpenSslInternal("cannot sign the certificate");
  }
  KeyPair pair;
  ASSIGN_OR_RETURN(pair.key_pem, KeyPem(key));
  ASSIGN_OR_RETURN(pair.certificate_pem, CertificatePem(x509));
  return pair;
}

absl::StatusOr<KeyPtr> MakeKey() {
  KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpenSslInternal("cannot make a key");
  return key;
}

}  // namespace

absl::StatusOr<KeyPair> MakeAuthority(const std::string& trust_domain,
                                      absl::Time not_before,
                                      absl::Time not_after) {
  ERR_clear_error();
  // Whatever could not be part of an identity later is refused now.
  RETURN_IF_ERROR(
      ParseIdentityUri(IdentityUri({trust_domain, Role::kAgent, "x"}))
          .status());
  ASSIGN_OR_RETURN(KeyPtr key, MakeKey());
  ASSIGN_OR_RETURN(X509Ptr x509, Blank(key.get(), not_before, not_after));
  RETURN_IF_ERROR(AddToSubject(x509.get(), "O", trust_domain));
  RETURN_IF_ERROR(AddToSubject(x509.get(), "CN", "Specula CA"));
  if (X509_set_issuer_name(x509.get(), X509_get_subject_name(x509.get())) !=
      1) {
    return OpenSslInternal("issuer");
  }
  X509* self = x509.get();
  RETURN_IF_ERROR(AddExtension(self, self, NID_basic_constraints,
                               "critical,CA:TRUE,pathlen:0"));
  RETURN_IF_ERROR(
      AddExtension(self, self, NID_key_usage, "critical,keyCertSign,cRLSign"));
  CertificateRequest names;
  names.uris = {absl::StrCat("spiffe://", trust_domain)};
  RETURN_IF_ERROR(AddSans(self, names));
  RETURN_IF_ERROR(AddExtension(self, self, NID_subject_key_identifier, "hash"));
  RETURN_IF_ERROR(
      AddExtension(self, self, NID_authority_key_identifier, "keyid:always"));
  return Finish(self, key.get(), key.get());
}

absl::StatusOr<KeyPair> Issue(const KeyPair& authority,
                              const CertificateRequest& request) {
  ASSIGN_OR_RETURN(std::vector<X509Ptr> issuers,
                   ReadX509Pem(authority.certificate_pem));
  X509* issuer = issuers.front().get();
  ASSIGN_OR_RETURN(KeyPtr signer, ReadKeyPem(authority.key_pem));
  if (X509_check_private_key(issuer, signer.get()) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("the authority's key does not belong to its certificate: ",
                     OpenSslReason()));
  }
  ASSIGN_OR_RETURN(Certificate described,
                   ParseCertificatePem(authority.certificate_pem));
  if (!described.is_authority) {
    return absl::InvalidArgumentError(
        "the certificate to sign with is not an authority's");
  }
  ASSIGN_OR_RETURN(KeyPtr key, request.key_pem.empty()
                                   ? MakeKey()
                                   : ReadKeyPem(request.key_pem));
  ASSIGN_OR_RETURN(X509Ptr x509,
                   Blank(key.get(), request.not_before, request.not_after));
  RETURN_IF_ERROR(AddToSubject(x509.get(), "CN", request.common_name));
  if (X509_set_issuer_name(x509.get(), X509_get_subject_name(issuer)) != 1) {
    return OpenSslInternal("issuer");
  }
  RETURN_IF_ERROR(AddLeafExtensions(x509.get(), issuer, request));
  return Finish(x509.get(), signer.get(), key.get());
}

}  // namespace specula::ctl
