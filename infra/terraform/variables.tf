variable "subscription_id" {
  type        = string
  description = "Subscription of the app."
}

variable "resource_group_name" {
  type        = string
  description = "Resource group of the app, which exists already."
}

variable "apim_resource_ids" {
  type        = list(string)
  description = "Resource ids of the API Management instances that are backed up. Each needs its system-assigned identity enabled."

  validation {
    condition     = length(var.apim_resource_ids) > 0
    error_message = "Give at least one instance."
  }
}

variable "standby_resource_ids" {
  type        = list(string)
  default     = []
  description = "Resource ids of the instances that may be restored into, and no others: standbys, and those for drills. Each needs its system-assigned identity enabled."
}

variable "location" {
  type        = string
  default     = null
  description = "Region of the app; by default the resource group's. Best another one than that of the instances that are backed up: it has to work when theirs does not."
}

variable "backup_location" {
  type        = string
  default     = null
  description = "Region of the account with the backups; by default the resource group's. Best the paired region of the instances that are backed up."
}

variable "storage_redundancy" {
  type        = string
  default     = "Standard_GRS"
  description = "Redundancy of both storage accounts: that of the backups, and the app's own, which has the records."

  validation {
    condition     = contains(["Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_GZRS", "Standard_RAGRS", "Standard_RAGZRS"], var.storage_redundancy)
    error_message = "Give a SKU of storage accounts, such as Standard_GRS."
  }
}

variable "backup_retention_days" {
  type        = number
  default     = 35
  description = "After how many days the account deletes a backup by itself. A backup can be restored for 30 days, so never before 31."

  validation {
    condition     = var.backup_retention_days >= 31
    error_message = "Keep backups for at least 31 days."
  }
}

variable "soft_delete_days" {
  type        = number
  default     = 14
  description = "How long deleted blobs and containers of that account can be brought back."

  validation {
    condition     = var.soft_delete_days >= 7 && var.soft_delete_days <= 365
    error_message = "Give 7 to 365 days."
  }
}

variable "function_app_name" {
  type        = string
  description = "Name of the function app, unique in all of Azure."

  validation {
    condition     = length(var.function_app_name) <= 32
    error_message = "Give at most 32 characters."
  }
}

variable "backup_schedule" {
  type        = string
  default     = "0 0 1 * * *"
  description = "When backups start: NCRONTAB in UTC, six fields. The alert on missing backups wants one a day."
}

variable "targets" {
  type        = any
  default     = []
  description = "What is backed up, as the README's chapter on targets has it; storageAccount and containerName may be left out. Empty: each of apim_resource_ids, under its own name."
}

variable "notify" {
  type        = string
  default     = ""
  sensitive   = true
  description = "Who is told of operations and alarms: a JSON array of hooks, as the README has it. Empty: nobody but the alerts below."
}

variable "auth_mode" {
  type        = string
  default     = "keys"
  description = "Who may call: keys (function keys), or easy-auth (App Service authentication; the package must be made with --auth easy-auth)."

  validation {
    condition     = contains(["keys", "easy-auth"], var.auth_mode)
    error_message = "Give keys or easy-auth."
  }
}

variable "auth_client_id" {
  type        = string
  default     = ""
  description = "Required with easy-auth: the application that callers get their tokens for."

  validation {
    condition     = var.auth_mode == "keys" || var.auth_client_id != ""
    error_message = "easy-auth needs the application that callers get their tokens for."
  }
}

variable "auth_principal_ids" {
  type        = list(string)
  default     = []
  description = "With easy-auth: object ids of those who may call. Empty: whoever of the tenant gets a token for that application."
}

variable "refuse_payload_secrets" {
  type        = bool
  default     = true
  description = "Refuse requests that bring a clientSecret or an accessKey. Turn it off for callers that still send them."
}

variable "prune" {
  type        = bool
  default     = false
  description = "Whether the app may delete backups, for targets with retention rules. Otherwise it only reads them."
}

variable "preflight" {
  type        = bool
  default     = true
  description = "Whether the app may read what it looks at before a start, and for comparisons. Without it these end in warnings."
}

variable "alert_email" {
  type        = string
  default     = ""
  description = "Who is mailed when an alert fires. Empty: the alerts are only shown."
}
